-- restore: write read models anew, as a fold of the journal has them, unless the projector has come further meanwhile.
-- uses: _heads
--
-- KEYS[1]   ZSET   the kind's due entries
-- KEYS[2]   HASH   the kind's heads
-- KEYS[3]   HASH   the kind's ids
-- KEYS[4]   STREAM the signal that something is due earlier
-- KEYS[5..] ZSET   the kind's lists
-- KEYS[..]  HASH   one model per entity
-- ARGV[1]   ms to keep a tombstone   ARGV[2] number of lists
-- ARGV[3..] per entity: id, rev, which list (0 if it is to be removed), number in it, due ms ("" if none), n, then n
--           fields and values
--
-- Returns how many were written. Writes nothing for a model that is newer than the fold, unless its head says that
-- it cannot be; nor for an entity that has no head any more, though the fold has it: it was deleted after the fold.

local cleared, lists = tonumber(redis.call('HGET', KEYS[3], 'cleared') or 0), tonumber(ARGV[2])
local written, i = 0, 3
for k = 5 + lists, #KEYS do
  local id, rev, place, number, due, n =
    ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), ARGV[i + 3], ARGV[i + 4], tonumber(ARGV[i + 5])
  local stands = tonumber(redis.call('HGET', KEYS[k], 'rev') or 0)
  local head = tonumber((head_of(KEYS[2], id, cleared)))
  if (place == 0 or head > 0) and (stands <= rev or stands > head) then
    written = written + 1
    redis.call('DEL', KEYS[k])
    if n > 0 then redis.call('HSET', KEYS[k], unpack(ARGV, i + 6, i + 5 + 2 * n)) end
    for l = 1, lists do
      if l ~= place then redis.call('ZREM', KEYS[4 + l], id) end
    end
    if place > 0 then
      redis.call('ZADD', KEYS[4 + place], number, id)
    elseif n > 0 then
      redis.call('PEXPIRE', KEYS[k], ARGV[1])
    end
    if due ~= '' then redis.call('ZADD', KEYS[1], due, id) else redis.call('ZREM', KEYS[1], id) end
  end
  i = i + 6 + 2 * n
end
redis.call('XADD', KEYS[4], 'MAXLEN', 1, '*', 'due', 'restored')
return written
