-- advance: put the next chunk of a batch on the journal; the last one ends the batch.
-- uses: _heads
--
-- KEYS[1] STREAM the journal of the kind
-- KEYS[2] HASH   its heads
-- KEYS[3] HASH   the batch
-- KEYS[4] ZSET   due batches
-- KEYS[5] STRING the once record, as `begin` got it
-- KEYS[6] HASH   the kind's ids
-- KEYS[7..] STREAM the ready streams, as `begin` got them
-- ARGV[1] batch id   ARGV[2..3] shard, number of shards   ARGV[4] ms until the caller is taken for dead
--
-- Returns how many chunks are left. Whoever calls, and however often: each chunk is put there once.
-- Writes nothing when the batch has ended.

local batch = redis.call('HMGET', KEYS[3], 'next', 'chunks', 'first', 'done', 'steps', 'at', 'by', 'cause', 'trace')
if not batch[1] then return 0 end
local k, chunks, first, done = tonumber(batch[1]), tonumber(batch[2]), tonumber(batch[3]), tonumber(batch[4])
local steps, about = cjson.decode(batch[5]), {at = batch[6], by = batch[7], cause = batch[8], trace = batch[9]}
local cleared = tonumber(redis.call('HGET', KEYS[6], 'cleared') or 0)
local chunk = cjson.decode(redis.call('HGET', KEYS[3], 'chunk:' .. k))
for n = 1, #chunk do
  local step, id, data, ready = steps[chunk[n][1]], chunk[n][2], chunk[n][3], chunk[n][4]
  local to = step[2]
  if id == '' then
    id = string.format('%d', (first + done + n - 1) * ARGV[3] + ARGV[2])
    if tonumber(id) <= cleared then to = '' end  -- a clear that came meanwhile covers it
  end
  local entry = ready > 0 and redis.call('XADD', KEYS[6 + ready], '*', 'id', id, 'attempt', '1', 'work', data) or ''
  put(KEYS[1], id, '1', to, '0', entry, about, step[1], data)
end
write_heads(KEYS[2])
if k == chunks then
  local ending = redis.call('HMGET', KEYS[3], 'once', 'once_ms', 'fingerprint', 'memo')
  if ending[1] ~= '' then
    redis.call('SET', KEYS[5], cjson.encode({ending[3], 'done', {'ok', ending[4], first}}), 'PX', ending[2])
  end
  redis.call('DEL', KEYS[3])
  redis.call('ZREM', KEYS[4], ARGV[1])
  return 0
end
redis.call('HDEL', KEYS[3], 'chunk:' .. k)
redis.call('HSET', KEYS[3], 'next', k + 1, 'done', done + #chunk)
local time = redis.call('TIME')
redis.call('ZADD', KEYS[4], time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[4], ARGV[1])
return chunks - k
