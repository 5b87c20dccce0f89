-- begin: take in a batch of creations that is too large for one script call, whole. Its first chunk is put on the
-- journal with it, the others are kept for `advance`.
-- uses: _heads
-- uses: _chunk
--
-- KEYS[1] HASH   the kind's ids
-- KEYS[2] HASH   the batch
-- KEYS[3] ZSET   due batches
-- KEYS[4] STRING the once record (also where the batch has no idempotency key: it is not touched then)
-- KEYS[5] STREAM the signal of due entries
-- KEYS[6] STREAM the journal of the kind   KEYS[7] HASH its heads
-- KEYS[8..] STREAM the ready streams that its entities go to
-- ARGV[1] batch id   ARGV[2] ms until its maker is taken for dead   ARGV[3] ms to keep the once record
-- ARGV[4] once (1|0) ARGV[5] fingerprint   ARGV[6] memo   ARGV[7] how many ids are to be made by numbers (0: given)
-- ARGV[8] steps, as JSON: an array of [type, status that it leads to]   ARGV[9..12] at, by, cause, trace
-- ARGV[13..14] shard, number of shards   ARGV[15..] chunks, two or more, see `_chunk`
--
-- Returns JSON: ["begun", memo, first number] | ["replay", memo, first number] | ["reused"] | ["inflight"].
-- Writes nothing when there is a once record, or when this batch was begun before.

if ARGV[4] == '1' then
  local known = redis.call('GET', KEYS[4])
  if known then
    known = cjson.decode(known)
    if known[1] ~= ARGV[5] then return cjson.encode({'reused'}) end
    if known[2] ~= 'inflight' then return cjson.encode({'replay', known[3][2], known[3][3]}) end
    if known[3] ~= ARGV[1] then return cjson.encode({'inflight'}) end
  end
end
local first = redis.call('HGET', KEYS[2], 'first')
if not first then
  first = redis.call('HINCRBY', KEYS[1], 'last', ARGV[7]) - ARGV[7] + 1
  local about = {at = ARGV[9], by = ARGV[10], cause = ARGV[11], trace = ARGV[12]}
  local ids = {KEYS[1], tonumber(ARGV[13]), tonumber(ARGV[14])}
  local done = put_chunk(ARGV[15], cjson.decode(ARGV[8]), about, first, ids, KEYS[6], KEYS[7], 7)
  local batch = {'first', first, 'done', done, 'next', 2, 'chunks', #ARGV - 14, 'once', ARGV[4] == '1' and KEYS[4] or '',
    'once_ms', ARGV[3], 'fingerprint', ARGV[5], 'memo', ARGV[6], 'steps', ARGV[8], 'at', ARGV[9], 'by', ARGV[10],
    'cause', ARGV[11], 'trace', ARGV[12]}
  for k = 8, #KEYS do batch[#batch + 1] = 'ready:' .. (k - 7); batch[#batch + 1] = KEYS[k] end
  for k = 16, #ARGV do batch[#batch + 1] = 'chunk:' .. (k - 14); batch[#batch + 1] = ARGV[k] end
  redis.call('HSET', KEYS[2], unpack(batch))
  local time = redis.call('TIME')
  redis.call('ZADD', KEYS[3], time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2], ARGV[1])
  redis.call('XADD', KEYS[5], 'MAXLEN', 1, '*', 'due', 'batches')
  if ARGV[4] == '1' then redis.call('SET', KEYS[4], cjson.encode({ARGV[5], 'inflight', ARGV[1]}), 'PX', ARGV[3]) end
end
return cjson.encode({'begun', ARGV[6], tonumber(first)})
