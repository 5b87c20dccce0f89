-- turn_place: one token as the read models have it.
--
-- KEYS[1] HASH its model   KEYS[2..4] ZSET the queue's tokens that are served, called, waiting   KEYS[5] HASH the queue
-- ARGV[1] its id
--
-- Returns {the model's place or "", its deadline or "", how many wait before it, how many are served or called,
-- counters, ms of the last turns, ms}. Writes nothing.

local time = redis.call('TIME')
local model = redis.call('HMGET', KEYS[1], 'place', 'expires_at')
local queue = redis.call('HMGET', KEYS[5], 'counters', 'turns')
return {
  model[1] or '', model[2] or '', redis.call('ZRANK', KEYS[4], ARGV[1]) or 0,
  redis.call('ZCARD', KEYS[2]) + redis.call('ZCARD', KEYS[3]), queue[1] or '1', queue[2] or '',
  time[1] * 1000 + math.floor(time[2] / 1000),
}
