-- advance: put the next chunk of a batch on the journal; the last one ends the batch.
-- uses: _heads
-- uses: _chunk
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
local about = {at = batch[6], by = batch[7], cause = batch[8], trace = batch[9]}
local ids, chunk = {KEYS[6], tonumber(ARGV[2]), tonumber(ARGV[3])}, redis.call('HGET', KEYS[3], 'chunk:' .. k)
done = done + put_chunk(chunk, cjson.decode(batch[5]), about, first + done, ids, KEYS[1], KEYS[2], 6)
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
redis.call('HSET', KEYS[3], 'next', k + 1, 'done', done)
local time = redis.call('TIME')
redis.call('ZADD', KEYS[4], time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[4], ARGV[1])
return chunks - k
