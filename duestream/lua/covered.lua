-- covered: the ids of models that a clear covers and that are still there, some of them.
--
-- KEYS[1] ZSET the kind's list   KEYS[2] HASH the kind's view   ARGV[1] how many
--
-- Returns the ids. Writes nothing.

local cleared = redis.call('HGET', KEYS[2], 'cleared') or 0
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', cleared, 'LIMIT', 0, ARGV[1])
