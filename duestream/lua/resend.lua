-- resend: take deliveries that were given up back among those that are due.
--
-- KEYS[1] STREAM deliveries given up
-- KEYS[2] STREAM the signal of due entries
-- KEYS[3..] ZSET due webhooks of the endpoint of each, in order
-- ARGV[1..] per delivery: id of its entry in KEYS[1], entry id of the notice
--
-- Returns how many. Writes nothing for one that was taken back before.

local sent = 0
for k = 3, #KEYS do
  local i = (k - 3) * 2 + 1
  if redis.call('XDEL', KEYS[1], ARGV[i]) == 1 then
    redis.call('ZADD', KEYS[k], 0, ARGV[i + 1])
    sent = sent + 1
  end
end
if sent > 0 then redis.call('XADD', KEYS[2], 'MAXLEN', 1, '*', 'due', 'webhooks') end
return sent
