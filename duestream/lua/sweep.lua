-- sweep: remove some of what a clear left behind in the read models.
--
-- KEYS[1]   ZSET the kind's list
-- KEYS[2]   ZSET the kind's due entries
-- KEYS[3]   HASH the kind's view
-- KEYS[4..] HASH one model per id
-- ARGV[1..] the ids
--
-- Returns how many models were removed. Writes nothing for an id that no clear covers.

local cleared = tonumber(redis.call('HGET', KEYS[3], 'cleared') or 0)
local removed = 0
for i = 1, #ARGV do
  if tonumber(ARGV[i]) <= cleared then
    removed = removed + redis.call('UNLINK', KEYS[3 + i])
    redis.call('ZREM', KEYS[1], ARGV[i])
    redis.call('ZREM', KEYS[2], ARGV[i])
  end
end
return removed
