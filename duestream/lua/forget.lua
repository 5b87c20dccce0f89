-- forget: remove consumers of a group that are gone and hold nothing.
--
-- KEYS[1] STREAM the stream   ARGV[1] consumer group   ARGV[2] ms without a sign of life
--
-- Returns how many. Writes nothing where there is no such group.

local found, count = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1]), 0
if found.err then return 0 end
for _, each in ipairs(found) do
  local info = {}
  for i = 1, #each, 2 do info[each[i]] = each[i + 1] end
  if info['pending'] == 0 and info['idle'] > tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], info['name'])
    count = count + 1
  end
end
return count
