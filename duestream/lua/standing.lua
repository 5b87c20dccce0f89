-- standing: all that Redis holds of some entities, as it stands at one moment.
--
-- KEYS[1]   HASH the kind's heads
-- KEYS[2]   ZSET the kind's list
-- KEYS[3]   ZSET the kind's due entries
-- KEYS[4..] HASH one model per entity
-- ARGV[1..] the entities' ids, in the order of their keys
--
-- Returns per entity: its model's names and values in turn, its head, its place in the list, its due time; "" where
-- there is none. Writes nothing.

local found = {}
for i = 1, #ARGV do
  local id = ARGV[i]
  found[i] = {
    redis.call('HGETALL', KEYS[3 + i]),
    redis.call('HGET', KEYS[1], id) or '',
    redis.call('ZSCORE', KEYS[2], id) or '',
    redis.call('ZSCORE', KEYS[3], id) or '',
  }
end
return found
