-- take: lease the due entries whose time has come.
--
-- KEYS[1] ZSET   due entries
-- KEYS[2] STREAM the signal that something is due earlier
-- ARGV[1] how many at most   ARGV[2] ms of the lease: who dies with an entry gives it back after that
--
-- Returns {now (ms, by Redis' clock), ms of the next entry or -1, id of the signal's last entry, id, due ms, ...}.
-- Writes nothing when nothing is due.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local taken = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'WITHSCORES', 'LIMIT', 0, ARGV[1])
for i = 1, #taken, 2 do redis.call('ZADD', KEYS[1], 'XX', now + ARGV[2], taken[i]) end
local next = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] or '-1'
local signal = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
return {now, next, signal[1] and signal[1][1] or '0-0', unpack(taken)}
