-- read: heads and models of some entities, as they stand at one moment.
--
-- KEYS[1]   HASH the kind's heads
-- KEYS[2]   HASH the kind's ids
-- KEYS[3..] HASH one model per entity
-- ARGV[1]   number of fields, then their names (0: all of them, each with its name before it); then the entities' ids, in the order of their keys
--
-- Returns per entity: revision of the head (0 if there is none), then the fields' values. Writes nothing.
-- uses: _heads

local cleared = tonumber(redis.call('HGET', KEYS[2], 'cleared') or 0)
local n = tonumber(ARGV[1])
local found = {}
for k = 3, #KEYS do
  local rev = head_of(KEYS[1], ARGV[n + k - 1], cleared)
  local fields = n == 0 and redis.call('HGETALL', KEYS[k]) or redis.call('HMGET', KEYS[k], unpack(ARGV, 2, n + 1))
  table.insert(fields, 1, rev)
  found[#found + 1] = fields
end
return found
