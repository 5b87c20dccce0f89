-- append: decide a batch of commands, and put what is accepted on the journal.
-- uses: _heads
--
-- KEYS[1]    STREAM  the journal of the kind
-- KEYS[2]    HASH    its heads
-- KEYS[3]    HASH    its ids
-- KEYS[4]    STRING  the caller's lane: its last call and what came of it
-- KEYS[5]    HASH    unique keys: key -> the entity that has it while it lives
-- KEYS[6]    STREAM  the signal to those who work on an entity that they must not go on
-- KEYS[7..]  STREAM  ready streams that transitions name by their place here
-- KEYS[..]   STRING  the once record of each command that has an idempotency key, in order
-- ARGV[1..2] shard, number of shards
-- ARGV[3]    the call's number, higher than any before in its lane
-- ARGV[4..5] ms to keep the lane, ms to keep a once record
-- ARGV[6]    consumer group of the ready streams   ARGV[7] number of ready streams
-- ARGV[8]    statuses in which an entity lives no more (" failed canceled "), and lets go of its unique key
-- ARGV[9]    number of steps, then per step: type, from (" open " lists statuses, "" is absent), to ("" is absent),
--            flags (see below)
-- ARGV[..]   per command: mode (0; 1: with an idempotency key; e: each transition by itself), fingerprint, memo, at,
--            by, cause, trace, n, and n transitions, each: step, id ("" makes a new one), rev ("0" is any), data, and
--            by its step's flags, in this order:
--            = attempt      only while this is the entity's attempt
--            + attempt      only as the next attempt, which it begins
--            u key          only if no other living entity has this unique key ("" is none)
--            r stream, work put on a ready stream; "" for work is the event's data, "" for stream is none
--            d stream, id   what was ready is done: acknowledged and removed; "" for id is none
--            s              signal those who work on it
--
-- Returns JSON, an array per command: ["ok" | "replay", memo, [id, rev, ...]] | ["refused", status, rev, index,
-- attempt, id of who has the unique key or ""] | ["reused"] | ["inflight"] | ["each", [rev | [status, rev, attempt,
-- id], ...]]. A command's transitions are accepted or refused together, but for mode e.
-- Writes nothing for a command that is refused, or answered from its once record. A call that was carried out before
-- gets the same answers and writes nothing; nor does one that comes after a later one of its lane, whose caller has
-- given up on it: it gets no answers.

local journal, heads, ids, lane, uniques = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local shard, shards = tonumber(ARGV[1]), tonumber(ARGV[2])
local call, group = ARGV[3], ARGV[6]
local last, said = string.match(redis.call('GET', lane) or '', '^(%d+) (.*)$')
if last == call then return said end
if last and tonumber(last) > tonumber(call) then return '[]' end
local cleared = tonumber(redis.call('HGET', ids, 'cleared') or 0)

local steps, i = {}, 10
for s = 1, tonumber(ARGV[9]) do
  local flags, step = ARGV[i + 3], {type = ARGV[i], from = ARGV[i + 1], to = ARGV[i + 2], size = 4}
  for flag, size in pairs({['='] = 1, ['+'] = 1, u = 1, r = 2, d = 2, s = 0}) do
    if string.find(flags, flag, 1, true) then step[flag] = 0; step.size = step.size + size end
  end
  local at = 4
  for _, flag in ipairs({'=', '+', 'u', 'r', 'd'}) do
    if step[flag] then step[flag] = at; at = at + ((flag == 'r' or flag == 'd') and 2 or 1) end
  end
  steps[tostring(s)] = step
  i = i + 4
end

local function holder(key, id)  -- who else has a unique key
  local other = redis.call('HGET', uniques, key)
  if not other or other == id then return nil end
  local _, status = head_of(heads, other, cleared)
  local over = status == '' or string.find(ARGV[8], ' ' .. status .. ' ', 1, true)
  return not over and other or nil
end

local function decide(at, step)  -- revision and attempt that the transition starts from; or nil and why not
  local id, rev = ARGV[at + 1], tonumber(ARGV[at + 2])
  if id == '' then return 0, 0 end
  local now, status, attempt = head_of(heads, id, cleared)
  local may = step.from == status or (status ~= '' and string.find(step.from, ' ' .. status .. ' ', 1, true))
  if may and rev > 0 then may = rev == now end
  if may and step['='] then may = tonumber(ARGV[at + step['=']]) == attempt end
  if may and step['+'] then may = tonumber(ARGV[at + step['+']]) == attempt + 1 end
  if not may then return nil, status, now, attempt, '' end
  if step.u and ARGV[at + step.u] ~= '' then
    local other = holder(ARGV[at + step.u], id)
    if other then return nil, status, now, attempt, other end
  end
  return now, attempt
end

local done = {}  -- by ready stream: ids of entries

local function accept(at, step, rev, attempt, about)  -- the id
  local id, data = ARGV[at + 1], ARGV[at + 3]
  if id == '' then
    id = string.format('%d', redis.call('HINCRBY', ids, 'last', 1) * shards + shard)
  end
  if step['+'] then attempt = attempt + 1 end
  put(journal, heads, id, rev + 1, step.to, attempt, about, step.type, data)
  if step.u and ARGV[at + step.u] ~= '' then redis.call('HSET', uniques, ARGV[at + step.u], id) end
  if step.r and ARGV[at + step.r] ~= '' then
    local work = ARGV[at + step.r + 1]
    redis.call('XADD', KEYS[tonumber(ARGV[at + step.r])], '*',
      'id', id, 'attempt', attempt + 1, 'work', work ~= '' and work or data)
  end
  if step.d and ARGV[at + step.d + 1] ~= '' then
    local stream = ARGV[at + step.d]
    if not done[stream] then done[stream] = {} end
    table.insert(done[stream], ARGV[at + step.d + 1])
  end
  if step.s then redis.call('XADD', KEYS[6], 'MAXLEN', '~', 10000, '*', 'id', id, 'status', step.to) end
  return id
end

local function together(at, n, about, memo)
  local revs, attempts, where = {}, {}, at
  for t = 1, n do
    local step = steps[ARGV[where]]
    local rev, a, b, c, d = decide(where, step)
    if not rev then return {'refused', a, b, t - 1, c, d} end
    revs[t], attempts[t] = rev, a
    where = where + step.size
  end
  local results = {}
  where = at
  for t = 1, n do
    local step = steps[ARGV[where]]
    results[2 * t - 1] = accept(where, step, revs[t], attempts[t], about)
    results[2 * t] = revs[t] + 1
    where = where + step.size
  end
  return {'ok', memo, results}, where
end

local function singly(at, n, about)
  local results = {}
  for t = 1, n do
    local step = steps[ARGV[at]]
    local rev, a, b, c, d = decide(at, step)
    if rev then
      accept(at, step, rev, a, about)
      results[t] = rev + 1
    else
      results[t] = {a, b, c, d}
    end
    at = at + step.size
  end
  return {'each', results}, at
end

local function skip(at, n)
  for _ = 1, n do at = at + steps[ARGV[at]].size end
  return at
end

local answers, key = {}, 7 + tonumber(ARGV[7])
while i <= #ARGV do
  local mode, fingerprint, memo, n = ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 7])
  local about = {at = ARGV[i + 3], by = ARGV[i + 4], cause = ARGV[i + 5], trace = ARGV[i + 6]}
  local answer, following
  local known = mode == '1' and redis.call('GET', KEYS[key])
  if known then
    known = cjson.decode(known)
    if known[1] ~= fingerprint then answer = {'reused'}
    elseif known[2] == 'inflight' then answer = {'inflight'}
    else answer = known[3]; answer[1] = 'replay' end
  elseif mode == 'e' then
    answer, following = singly(i + 8, n, about)
  else
    answer, following = together(i + 8, n, about, memo)
    if mode == '1' and following then
      redis.call('SET', KEYS[key], cjson.encode({fingerprint, 'done', answer}), 'PX', ARGV[5])
    end
  end
  if mode == '1' then key = key + 1 end
  answers[#answers + 1] = answer
  i = following or skip(i + 8, n)
end
for stream, entries in pairs(done) do
  local name = KEYS[tonumber(stream)]
  for n = 1, #entries, 1000 do
    redis.call('XACK', name, group, unpack(entries, n, math.min(n + 999, #entries)))
    redis.call('XDEL', name, unpack(entries, n, math.min(n + 999, #entries)))
  end
end
local encoded = cjson.encode(answers)
redis.call('SET', lane, call .. ' ' .. encoded, 'PX', ARGV[4])
return encoded
