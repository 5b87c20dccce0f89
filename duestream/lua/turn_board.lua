-- turn_board: a queue as the read models have it, once they have caught up; and which of some addresses are banned.
-- uses: _progress
--
-- KEYS[1] STREAM the journal of tokens   KEYS[2] HASH the queue's model   KEYS[3..5] ZSET its tokens that are served,
--         called, waiting   KEYS[6] HASH the queue   KEYS[7] HASH bans   KEYS[8] HASH the progress of tokens
-- ARGV[1] entry to wait for ("": the last one; "-": none)   ARGV[2] how many who wait   ARGV[3..] addresses
--
-- Returns {entry, 0} if the models have not come so far, else {entry, 1, seconds, micros, the queue's settings ("": no
-- such queue), ms of its last turns, {served, deadline, ...}, {called, deadline, ...}, number of who wait, {waiting,
-- ...}, {a ban or "" per address}}. Writes nothing.

local found = {ARGV[1], 1}
if ARGV[1] ~= '-' then found = horizon(KEYS[8], KEYS[1], ARGV[1]) end
if found[2] == 0 then return found end
local time = redis.call('TIME')
local bans = {}
for n = 3, #ARGV do bans[n - 2] = redis.call('HGET', KEYS[7], ARGV[n]) or '' end
local waiting = {}
if tonumber(ARGV[2]) > 0 then waiting = redis.call('ZRANGE', KEYS[5], 0, ARGV[2] - 1) end
return {
  found[1], 1, time[1], time[2],
  redis.call('HGET', KEYS[2], 'settings') or '', redis.call('HGET', KEYS[6], 'turns') or '',
  redis.call('ZRANGE', KEYS[3], 0, -1, 'WITHSCORES'), redis.call('ZRANGE', KEYS[4], 0, -1, 'WITHSCORES'),
  redis.call('ZCARD', KEYS[5]), waiting, bans,
}
