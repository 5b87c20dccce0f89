-- turn: carry out a batch of what visitors, operators and schedulers ask of queues.
-- uses: _instant
-- uses: _labels
-- uses: _turn_journal
-- uses: _turn_bans
-- uses: _turn_queue
-- uses: _turn_steps
--
-- KEYS[1] STREAM the journal of tokens   KEYS[2] HASH its heads   KEYS[3] HASH its ids
-- KEYS[4] STRING the caller's lane: its last call and what came of it
-- KEYS[5] HASH   bans, by address   KEYS[6] ZSET address -> until when its takings are paid for
-- KEYS[7..] per queue: HASH the queue, ZSET its line (label -> number), HASH its tokens' records by label,
--           ZSET free labels -> index, ZSET called and served labels -> deadline
-- KEYS[..]  STRING the once record of each request that has an idempotency key, in order
-- ARGV[1]   the call's number, higher than any before in its lane
-- ARGV[2..3] ms to keep the lane, ms to keep a once record
-- ARGV[4]   how many tokens an address may take in a minute (0: any number)   ARGV[5] ms of a ban (-1: for ever, 0: none)
-- ARGV[6]   number of queues, then their names
-- ARGV[..]  per request: step, number of the queue (0: none), fingerprint of its payload ("": no idempotency key), by,
--           cause, trace, address ("": nobody's), and three arguments of the step
--
-- Returns {now, answers}, both as JSON in one text; per request {"banned", reason, end} | {"unknown"} (no such queue) |
-- {"reused"} (the key, with another payload) | the step's answer, see `_turn_steps`. Nothing is written for a visitor
-- who is banned, nor for a request that is answered from its once record, nor by a call that was carried out before,
-- which gets its answers again, or that comes after a later one of its lane, which gets none.

local last, said = string.match(redis.call('GET', KEYS[4]) or '', '^(%d+) (.*)$')
if last == ARGV[1] then return said end
if last and tonumber(last) > tonumber(ARGV[1]) then return '[0,[]]' end

local limits = {per_minute = tonumber(ARGV[4]), ban_ms = ARGV[5]}
local count, queues, answers = tonumber(ARGV[6]), {}, {}
local key, i = 7 + 5 * count, 7 + count
while i <= #ARGV do
  local step, number, fingerprint = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2]
  local who = {by = ARGV[i + 3], cause = ARGV[i + 4], trace = ARGV[i + 5], address = ARGV[i + 6]}
  local once = fingerprint ~= '' and KEYS[key]
  if once then key = key + 1 end
  local answer, stored = refusal_of(who.address), nil
  if not answer and once then
    stored = redis.call('GET', once)
    if stored then
      stored = cjson.decode(stored)
      answer = stored[1] == fingerprint and stored[2] or {'reused'}
    end
  end
  if not answer then
    local q
    if number > 0 then
      q = queues[number] or open_queue(7 + 5 * (number - 1), ARGV[6 + number])
      queues[number] = q
    end
    if q and q.rev == 0 and step ~= 'configure' then
      answer = {'unknown'}
    else
      if q and q.rev > 0 then settle(q, who) end
      answer = steps[step](q, who, limits, ARGV[i + 7], ARGV[i + 8], ARGV[i + 9])
      if once and answer[1] == 'ok' then
        redis.call('SET', once, cjson.encode({fingerprint, answer}), 'PX', ARGV[3])
      end
    end
  end
  answers[#answers + 1] = answer
  i = i + 10
end
for _, q in pairs(queues) do close_queue(q) end
write_heads()
local encoded = cjson.encode({now, answers})
redis.call('SET', KEYS[4], ARGV[1] .. ' ' .. encoded, 'PX', ARGV[2])
return encoded
