-- count: raise some counters.
--
-- KEYS[1] HASH counters   ARGV[1..] names and amounts in turn
--
-- Returns nothing.

for i = 1, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
