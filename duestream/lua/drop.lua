-- drop: remove entries of a ready stream that nobody must work on any more.
--
-- KEYS[1] STREAM the ready stream   ARGV[1] consumer group   ARGV[2..] entry ids
--
-- Returns how many were there.

redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, 2))
return redis.call('XDEL', KEYS[1], unpack(ARGV, 2))
