-- turn_kept: what `turn` keeps of a queue, and of bans, as it stands at one moment.
--
-- KEYS[1] STREAM the journal of tokens   KEYS[2] ZSET the queue's line   KEYS[3] ZSET its called and served labels
-- KEYS[4] HASH bans
--
-- Returns {last entry of the journal or "0-0", {label, number, ...}, {label, deadline, ...}, {address, ban, ...}}.
-- Writes nothing.

local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
return {
  last and last[1] or '0-0', redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES'),
  redis.call('ZRANGE', KEYS[3], 0, -1, 'WITHSCORES'), redis.call('HGETALL', KEYS[4]),
}
