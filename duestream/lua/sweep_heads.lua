-- sweep_heads: look at some heads, and remove those that a clear covers.
--
-- KEYS[1] HASH the kind's heads
-- KEYS[2] HASH the kind's ids
-- ARGV[1] cursor to go on from, "0" at first   ARGV[2] about how many to look at
--
-- Returns the cursor to go on from, "0" when all were looked at. Writes nothing when no clear covers any.

local cleared = tonumber(redis.call('HGET', KEYS[2], 'cleared') or 0)
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local removed = 0
for i = 1, #page[2], 2 do
  if tonumber(page[2][i]) <= cleared then removed = removed + redis.call('HDEL', KEYS[1], page[2][i]) end
end
if removed > 0 then redis.call('HINCRBY', KEYS[2], 'unswept', -removed) end
return page[1]
