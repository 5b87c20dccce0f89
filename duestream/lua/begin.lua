-- begin: take in a batch of creations that is too large for one script call, whole, to be carried out by `advance`.
--
-- KEYS[1] HASH   the kind's ids
-- KEYS[2] HASH   the batch
-- KEYS[3] ZSET   due batches
-- KEYS[4] STRING the once record (also where the batch has no idempotency key: it is not touched then)
-- KEYS[5] STREAM the signal of due entries
-- KEYS[6..] STREAM the ready streams that its entities go to
-- ARGV[1] batch id   ARGV[2] ms until its maker is taken for dead   ARGV[3] ms to keep the once record
-- ARGV[4] once (1|0) ARGV[5] fingerprint   ARGV[6] memo   ARGV[7] how many ids are to be made by numbers (0: given)
-- ARGV[8] steps, as JSON: an array of [type, status that it leads to]   ARGV[9..12] at, by, cause, trace
-- ARGV[13..] chunks: each a JSON array of creations: [step, id or "", data, place of its ready stream or 0]
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
  local batch = {'first', first, 'done', 0, 'next', 1, 'chunks', #ARGV - 12, 'once', ARGV[4] == '1' and KEYS[4] or '',
    'once_ms', ARGV[3], 'fingerprint', ARGV[5], 'memo', ARGV[6], 'steps', ARGV[8], 'at', ARGV[9], 'by', ARGV[10],
    'cause', ARGV[11], 'trace', ARGV[12]}
  for k = 6, #KEYS do batch[#batch + 1] = 'ready:' .. (k - 5); batch[#batch + 1] = KEYS[k] end
  for k = 13, #ARGV do batch[#batch + 1] = 'chunk:' .. (k - 12); batch[#batch + 1] = ARGV[k] end
  redis.call('HSET', KEYS[2], unpack(batch))
  local time = redis.call('TIME')
  redis.call('ZADD', KEYS[3], time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2], ARGV[1])
  redis.call('XADD', KEYS[5], 'MAXLEN', 1, '*', 'due', 'batches')
  if ARGV[4] == '1' then redis.call('SET', KEYS[4], cjson.encode({ARGV[5], 'inflight', ARGV[1]}), 'PX', ARGV[3]) end
end
return cjson.encode({'begun', ARGV[6], tonumber(first)})
