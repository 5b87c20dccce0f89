-- turn_find: the last token with a label, as the write side has it, for whoever asks from an address.
--
-- KEYS[1] HASH the queue   KEYS[2] HASH its records   KEYS[3] HASH bans   ARGV[1] label   ARGV[2] address
--
-- Returns {ban or "", 1 if there is such a queue else 0, record or "", ms}. Writes nothing.

local time = redis.call('TIME')
return {
  redis.call('HGET', KEYS[3], ARGV[2]) or '', redis.call('EXISTS', KEYS[1]),
  redis.call('HGET', KEYS[2], ARGV[1]) or '', time[1] * 1000 + math.floor(time[2] / 1000),
}
