-- page: the next ids of a list, in order.
--
-- KEYS[1] ZSET the kind's list   KEYS[2] HASH the kind's view
-- ARGV[1] number to start after   ARGV[2] how many to leave out   ARGV[3] how many to return, 5,000 at most
--
-- Returns the ids, without those that a clear covers. Writes nothing.

local after = math.max(tonumber(ARGV[1]), tonumber(redis.call('HGET', KEYS[2], 'cleared') or 0))
return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%d', after), '+inf', 'LIMIT', ARGV[2], ARGV[3])
