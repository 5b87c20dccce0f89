-- lag: how far each consumer group of a journal is behind.
-- uses: _progress
--
-- KEYS[1] STREAM the journal   KEYS[2] HASH the kind's progress
-- ARGV[1] the projectors' group, which accounts for what it has done in the progress; others acknowledge
--
-- Returns per group: name, entries that are not finished, id of the oldest of them ("" if there are none).
-- Writes nothing.

local function facts(flat)
  local found = {}
  for i = 1, #flat, 2 do found[flat[i]] = flat[i + 1] end
  return found
end

local function following(entry)
  local found = redis.call('XRANGE', KEYS[1], '(' .. entry, '+', 'COUNT', 1)[1]
  return found and found[1] or ''
end

if redis.call('EXISTS', KEYS[1]) == 0 then return {} end
local found = {}
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local info, entries, oldest = facts(group), 0, ''
  if info['name'] == ARGV[1] then
    oldest = following(applied_through(KEYS[2]))
    if oldest ~= '' then
      local added = facts(redis.call('XINFO', 'STREAM', KEYS[1]))['entries-added']
      entries = math.max(1, added - (tonumber(redis.call('HGET', KEYS[2], 'count') or 0)))
    end
  elseif info['pending'] > 0 then
    entries = info['pending'] + (tonumber(info['lag']) or 0)
    oldest = redis.call('XPENDING', KEYS[1], info['name'])[2]
  else
    entries = tonumber(info['lag']) or 0
    oldest = following(info['last-delivered-id'])
  end
  found[#found + 1] = info['name']
  found[#found + 1] = entries
  found[#found + 1] = oldest
end
return found
