-- hand_over: let whoever looks next take entries of a ready stream, as far as the caller has them.
--
-- KEYS[1] STREAM the ready stream
-- ARGV[1] consumer group   ARGV[2] consumer   ARGV[3] ms of a lease: for so long they are to count as idle
-- ARGV[4..] entry ids
--
-- Returns how many were handed over. Each was given to one consumer fewer than before: this one was not lost. Writes
-- nothing for those that are another's, or done.

local count = 0
for i = 4, #ARGV do
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2])[1]
  if pending then
    count = count + 1
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'IDLE', ARGV[3],
      'RETRYCOUNT', math.max(0, pending[4] - 1), 'JUSTID')
  end
end
return count
