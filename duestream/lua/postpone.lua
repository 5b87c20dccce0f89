-- postpone: a delivery failed; set the time of the next attempt, or put it aside when it had enough of them.
--
-- KEYS[1] ZSET   due webhooks of the endpoint
-- KEYS[2] HASH   failed attempts of the endpoint
-- KEYS[3] STREAM deliveries given up
-- KEYS[4] STREAM the signal of due entries
-- ARGV[1] entry id   ARGV[2] endpoint   ARGV[3] reason   ARGV[4] most attempts
-- ARGV[5..] ms at which to try again after the first failure, the second, ...
--
-- Returns the failed attempts so far. Writes nothing when the delivery was made by somebody else meanwhile.

if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
local failed = redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
if failed >= tonumber(ARGV[4]) then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[2], ARGV[1])
  redis.call('XADD', KEYS[3], '*', 'entry', ARGV[1], 'endpoint', ARGV[2], 'attempts', failed, 'reason', ARGV[3])
else
  redis.call('ZADD', KEYS[1], ARGV[4 + failed], ARGV[1])
  redis.call('XADD', KEYS[4], 'MAXLEN', 1, '*', 'due', 'webhooks')
end
return failed
