-- hashes: some hashes, whole.
--
-- KEYS[1..] HASH
--
-- Returns each one's names and values in turn. Writes nothing.

local found = {}
for i = 1, #KEYS do found[i] = redis.call('HGETALL', KEYS[i]) end
return found
