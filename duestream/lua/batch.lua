-- batch: the keys that `advance` needs for a batch.
--
-- KEYS[1] HASH the batch
--
-- Returns the key of its once record ("" if it has none), then its ready streams in order. Writes nothing.

local found, k = {redis.call('HGET', KEYS[1], 'once') or ''}, 1
while true do
  local ready = redis.call('HGET', KEYS[1], 'ready:' .. k)
  if not ready then return found end
  found[#found + 1] = ready
  k = k + 1
end
