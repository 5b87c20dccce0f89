-- keep_logs: say how much longer some logs are kept.
--
-- KEYS[1..] STREAM the logs   ARGV[1] ms; 0: they are removed, -1: until something else is said
--
-- Returns nothing.

local ms = tonumber(ARGV[1])
for i = 1, #KEYS do
  if ms == 0 then redis.call('UNLINK', KEYS[i])
  elseif ms < 0 then redis.call('PERSIST', KEYS[i])
  else redis.call('PEXPIRE', KEYS[i], ms) end
end
