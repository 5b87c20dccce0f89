-- renew: keep the leases on some entries of a ready stream, as far as the caller still has them.
--
-- KEYS[1] STREAM the ready stream
-- ARGV[1] consumer group   ARGV[2] consumer   ARGV[3..] entry ids
--
-- Returns those that are not the caller's any more: taken over, or done. Writes nothing for them.

local mine = {}
local from = '-'
while true do
  local page = redis.call('XPENDING', KEYS[1], ARGV[1], from, '+', 1000, ARGV[2])
  for _, each in ipairs(page) do mine[each[1]] = true end
  if #page < 1000 then break end
  from = '(' .. page[#page][1]
end
local kept, lost = {}, {}
for i = 3, #ARGV do
  if mine[ARGV[i]] then kept[#kept + 1] = ARGV[i] else lost[#lost + 1] = ARGV[i] end
end
for n = 1, #kept, 1000 do
  local some = {unpack(kept, n, math.min(n + 999, #kept))}
  some[#some + 1] = 'JUSTID'
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, unpack(some))
end
return lost
