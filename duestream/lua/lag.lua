-- lag: how far each consumer group of a journal is behind.
--
-- KEYS[1] STREAM the journal
--
-- Returns per group: name, entries that are not finished, id of the oldest of them ("" if there are none).
-- Writes nothing.

if redis.call('EXISTS', KEYS[1]) == 0 then return {} end
local found = {}
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local info = {}
  for i = 1, #group, 2 do info[group[i]] = group[i + 1] end
  local oldest = ''
  if info['pending'] > 0 then
    oldest = redis.call('XPENDING', KEYS[1], info['name'])[2]
  else
    local following = redis.call('XRANGE', KEYS[1], '(' .. info['last-delivered-id'], '+', 'COUNT', 1)
    if following[1] then oldest = following[1][1] end
  end
  found[#found + 1] = info['name']
  found[#found + 1] = info['pending'] + (tonumber(info['lag']) or 0)
  found[#found + 1] = oldest
end
return found
