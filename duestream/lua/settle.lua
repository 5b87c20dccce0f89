-- settle: remove due entries that were dealt with, unless somebody gave them another time meanwhile.
--
-- KEYS[1] ZSET due entries   ARGV[1] ms at which the lease ends   ARGV[2..] the members
--
-- Returns how many were removed. Writes nothing for a member that has another score than the lease's.

local removed = 0
for i = 2, #ARGV do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if score and tonumber(score) == tonumber(ARGV[1]) then removed = removed + redis.call('ZREM', KEYS[1], ARGV[i]) end
end
return removed
