-- enqueue: note what is to be sent to a number of endpoints, and acknowledge the entries that said so.
--
-- KEYS[1]   STREAM the journal
-- KEYS[2]   STREAM the signal of due entries
-- KEYS[3..] ZSET   due webhooks, one per endpoint
-- ARGV[1]   consumer group   ARGV[2] ms at which to send   ARGV[3] how many entries are to be sent
-- ARGV[4..] their ids, then the ids of the whole batch
--
-- Returns how many were noted. Writes nothing for an entry that was acknowledged before: somebody else noted it.

local n = tonumber(ARGV[3])
local mine, noted = {}, 0
for i = 4 + n, #ARGV do mine[ARGV[i]] = redis.call('XACK', KEYS[1], ARGV[1], ARGV[i]) == 1 end
for i = 4, 3 + n do
  if mine[ARGV[i]] then
    noted = noted + 1
    for k = 3, #KEYS do redis.call('ZADD', KEYS[k], 'NX', ARGV[2], ARGV[i]) end
  end
end
if noted > 0 then redis.call('XADD', KEYS[2], 'MAXLEN', 1, '*', 'due', 'webhooks') end
return noted
