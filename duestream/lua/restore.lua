-- restore: write read models anew, as a fold of the journal has them, unless the projector has come further meanwhile.
-- uses: _heads
--
-- KEYS[1]   ZSET   the kind's list
-- KEYS[2]   ZSET   the kind's due entries
-- KEYS[3]   HASH   the kind's heads
-- KEYS[4]   HASH   the kind's ids
-- KEYS[5]   STREAM the signal that something is due earlier
-- KEYS[6..] HASH   one model per entity
-- ARGV[1]   ms to keep a tombstone
-- ARGV[2..] per entity: id, rev, number ("" if it is to be removed), due ms ("" if none), n, then n fields and values
--
-- Returns how many were written. Writes nothing for a model that is newer than the fold, unless its head says that
-- it cannot be; nor for an entity that has no head any more, though the fold has it: it was deleted after the fold.

local cleared = tonumber(redis.call('HGET', KEYS[4], 'cleared') or 0)
local written, i = 0, 2
for k = 6, #KEYS do
  local id, rev, number, due, n = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4])
  local stands = tonumber(redis.call('HGET', KEYS[k], 'rev') or 0)
  local head = head_of(KEYS[3], id, cleared)
  if (number == '' or head > 0) and (stands <= rev or stands > head) then
    written = written + 1
    redis.call('DEL', KEYS[k])
    if n > 0 then redis.call('HSET', KEYS[k], unpack(ARGV, i + 5, i + 4 + 2 * n)) end
    if number ~= '' then
      redis.call('ZADD', KEYS[1], number, id)
    else
      redis.call('ZREM', KEYS[1], id)
      if n > 0 then redis.call('PEXPIRE', KEYS[k], ARGV[1]) end
    end
    if due ~= '' then redis.call('ZADD', KEYS[2], due, id) else redis.call('ZREM', KEYS[2], id) end
  end
  i = i + 5 + 2 * n
end
redis.call('XADD', KEYS[5], 'MAXLEN', 1, '*', 'due', 'restored')
return written
