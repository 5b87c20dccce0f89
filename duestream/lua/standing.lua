-- standing: all that Redis holds of some entities, as it stands at one moment.
--
-- KEYS[1]   HASH the kind's heads
-- KEYS[2]   ZSET the kind's due entries
-- KEYS[3..] ZSET the kind's lists
-- KEYS[..]  HASH one model per entity
-- ARGV[1]   number of lists   ARGV[2..] their names, then the entities' ids, in the order of their keys
--
-- Returns per entity: its model's names and values in turn, its head, the lists in which it stands, separated by
-- spaces, its due time; "" where there is none. Writes nothing.

local lists = tonumber(ARGV[1])
local found = {}
for i = 1, #ARGV - 1 - lists do
  local id = ARGV[1 + lists + i]
  local places = {}
  for l = 1, lists do
    if redis.call('ZSCORE', KEYS[2 + l], id) then places[#places + 1] = ARGV[1 + l] end
  end
  found[i] = {
    redis.call('HGETALL', KEYS[2 + lists + i]),
    redis.call('HGET', KEYS[1], id) or '',
    table.concat(places, ' '),
    redis.call('ZSCORE', KEYS[2], id) or '',
  }
end
return found
