-- clear: delete every entity of a kind that there is, in one event.
--
-- KEYS[1] STREAM the journal of the kind
-- KEYS[2] HASH   its heads
-- KEYS[3] HASH   its ids
-- ARGV[1..2] shard, number of shards   ARGV[3..6] at, by, cause, trace   ARGV[7] type   ARGV[8] the call's own name
--
-- Returns how many entities were cleared. Writes nothing when there are none, or when this call was made before.

local call, answer = string.match(redis.call('HGET', KEYS[3], 'clear') or '', '^(%S+) (%d+)$')
if call == ARGV[8] then return tonumber(answer) end
local open = redis.call('HLEN', KEYS[2]) - tonumber(redis.call('HGET', KEYS[3], 'unswept') or 0)
if open <= 0 then return 0 end
local through = string.format('%d', redis.call('HGET', KEYS[3], 'last') * ARGV[2] + ARGV[1])
local fields = {'type', ARGV[7], 'id', '*', 'rev', redis.call('HINCRBY', KEYS[3], 'clears', 1), 'at', ARGV[3],
  'by', ARGV[4], 'v', '1', 'data', '{"through":' .. through .. ',"count":' .. open .. '}'}
if ARGV[5] ~= '' then fields[#fields + 1] = 'cause'; fields[#fields + 1] = ARGV[5] end
if ARGV[6] ~= '' then fields[#fields + 1] = 'trace'; fields[#fields + 1] = ARGV[6] end
redis.call('XADD', KEYS[1], '*', unpack(fields))
redis.call('HSET', KEYS[3], 'cleared', through, 'unswept', redis.call('HLEN', KEYS[2]), 'clear', ARGV[8] .. ' ' .. open)
return open
