-- deliveries: how often each of some entries of a ready stream was given to a runner.
--
-- KEYS[1] STREAM the ready stream   ARGV[1] consumer group   ARGV[2..] entry ids
--
-- Returns the numbers, 0 for an entry that nobody holds. Writes nothing.

local found = {}
for i = 2, #ARGV do
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)[1]
  found[i - 1] = pending and pending[4] or 0
end
return found
