-- append: decide a batch of commands, and put what is accepted on the journal.
-- uses: _heads
--
-- KEYS[1]    STREAM  the journal of the kind
-- KEYS[2]    HASH    its heads
-- KEYS[3]    HASH    its ids
-- KEYS[4]    STRING  the caller's lane: its last call and what came of it
-- KEYS[5]    HASH    unique keys: key -> the entity that has it while it lives
-- KEYS[6]    STREAM  the signal to those who work on an entity that they must not go on
-- KEYS[7]    ZSET    due webhooks that entities ask for themselves
-- KEYS[8]    STREAM  the signal that something is due earlier
-- KEYS[9..]  STREAM  ready streams that transitions name by their place here
-- KEYS[..]   STRING  the once record of each command that has an idempotency key, in order
-- ARGV[1]    MessagePack: one flat array, which costs a fraction of what as many arguments do; numbers are texts where
--            they go on to Redis or are compared with what stands there:
--   1..2     shard, number of shards
--   3        the call's number (text), higher than any before in its lane
--   4..5     ms to keep the lane, ms to keep a once record
--   6..7     consumer group of the ready streams, number of ready streams
--   8        statuses in which an entity lives no more (" failed canceled "), and lets go of its unique key
--   9        how many ids are to be made at most: they are taken in one step, and what is not used is given back
--   10..     number of steps, then per step: type, from (" open " lists statuses, "" is absent), to ("" is absent),
--            flags (see below)
--   ..       per command: mode ("0"; "1": with an idempotency key; "e": each transition by itself), fingerprint, memo,
--            at, by, cause, trace, n, and n transitions, each: which step, id ("" makes a new one), rev (text, "0" is
--            any), data, and by its step's flags, in this order:
--            = attempt      only while this is the entity's attempt (text)
--            + attempt, entry  only as the next attempt (text), which it begins, by this entry of a ready stream
--            u key          only if no other living entity has this unique key ("" is none); who leads to "" lets go
--                           of his
--            d stream       the entry by which it was ready is acknowledged and removed from there
--            r stream, work put on a ready stream; "" for work is the event's data
--            w url          a webhook is due that tells this URL of the event; "" for none
--            s              signal those who work on it
--
-- Returns JSON, an array per command: ["ok" | "replay", memo, [id, rev, ...]] | ["refused", index, refusal] |
-- ["reused"] | ["inflight"] | ["each", [rev | refusal, ...]]. A refusal is [status, rev, attempt, entry, id of who has
-- the unique key or ""]; all are texts. A command's transitions are accepted or refused together, but for mode e.
-- Writes nothing for a command that is refused, or answered from its once record. A call that was carried out before
-- gets the same answers and writes nothing; nor does one that comes after a later one of its lane, whose caller has
-- given up on it: it gets no answers.

local args = cmsgpack.unpack(ARGV[1])
local journal, heads, ids, lane, uniques = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local shard, shards = args[1], args[2]
local call, group = args[3], args[6]
local last, said = string.match(redis.call('GET', lane) or '', '^(%d+) (.*)$')
if last == call then return said end
if last and tonumber(last) > tonumber(call) then return '[]' end
local cleared = tonumber(redis.call('HGET', ids, 'cleared') or 0)

local to_make, made = args[9], 0
local taken = to_make > 0 and redis.call('HINCRBY', ids, 'last', to_make) - to_make

local steps, i = {}, 11
for s = 1, args[10] do
  local flags, step = args[i + 3], {type = args[i], from = args[i + 1], to = args[i + 2], size = 4, may = {}}
  for _, each in ipairs({{'=', 1}, {'+', 2}, {'u', 1}, {'d', 1}, {'r', 2}, {'w', 1}, {'s', 0}}) do
    if string.find(flags, each[1], 1, true) then step[each[1]] = step.size; step.size = step.size + each[2] end
  end
  step.may[step.from] = true  -- others are looked up once each
  steps[s] = step
  i = i + 4
end

local function holder(key, id)  -- who else has a unique key
  local other = redis.call('HGET', uniques, key)
  if not other or other == id then return nil end
  local _, status = head_of(heads, other, cleared)
  local over = status == '' or string.find(args[8], ' ' .. status .. ' ', 1, true)
  return not over and other or nil
end

local function decide(at, step)  -- what the transition starts from: revision, attempt, entry; or nil and why not
  local id, rev = args[at + 1], args[at + 2]
  if id == '' then return '0', '0', '' end
  local now, status, attempt, entry = head_of(heads, id, cleared)
  local may = step.may[status]
  if may == nil then
    may = string.find(step.from, ' ' .. status .. ' ', 1, true) ~= nil
    step.may[status] = may
  end
  if may and rev ~= '0' then may = rev == now end
  if may and step['='] then may = args[at + step['=']] == attempt end
  if may and step['+'] then
    may = args[at + step['+']] == after_text(attempt) and args[at + step['+'] + 1] == entry
  end
  local other = may and step.u and step.to ~= '' and args[at + step.u] ~= '' and holder(args[at + step.u], id)
  if not may or other then return nil, {status, now, attempt, entry, other or ''} end
  return now, attempt, entry
end

local done, hooked = {}, false  -- by ready stream: ids of entries; whether a webhook has become due

local function accept(at, step, rev, attempt, entry, about)  -- the id
  local id, data = args[at + 1], args[at + 3]
  if id == '' then
    made = made + 1
    id = string.format('%d', (taken + made) * shards + shard)
  end
  rev = after_text(rev)
  if step['+'] then attempt = after_text(attempt) end
  if step.u and args[at + step.u] ~= '' then
    if step.to ~= '' then redis.call('HSET', uniques, args[at + step.u], id)
    elseif redis.call('HGET', uniques, args[at + step.u]) == id then redis.call('HDEL', uniques, args[at + step.u]) end
  end
  if step.d and entry ~= '' then
    local stream = args[at + step.d]
    local entries = done[stream]
    if not entries then entries = {}; done[stream] = entries end
    entries[#entries + 1] = entry
    entry = ''
  end
  if step.r then
    local work = args[at + step.r + 1]
    entry = redis.call('XADD', KEYS[args[at + step.r]], '*',
      'id', id, 'attempt', after_text(attempt), 'work', work ~= '' and work or data)
  end
  local written = put(journal, id, rev, step.to, attempt, entry, about, step.type, data)
  if step.w and args[at + step.w] ~= '' then redis.call('ZADD', KEYS[7], 0, written); hooked = true end
  if step.s then redis.call('XADD', KEYS[6], 'MAXLEN', '~', 10000, '*', 'id', id, 'status', step.to, 'attempt', attempt) end
  return id, rev
end

local function together(at, n, about, memo)
  local from, where, wanted = {}, at, {}
  for t = 1, n do
    local step = steps[args[where]]
    local rev, attempt, entry = decide(where, step)
    local key = rev and step.u and step.to ~= '' and args[where + step.u] or ''
    if key ~= '' then
      if wanted[key] then rev, attempt = nil, {'', '0', '0', '', wanted[key]} end
      wanted[key] = args[where + 1]
    end
    if not rev then return {'refused', text(t - 1), attempt} end
    from[t] = {rev, attempt, entry}
    where = where + step.size
  end
  local results = {}
  where = at
  for t = 1, n do
    local step = steps[args[where]]
    results[2 * t - 1], results[2 * t] = accept(where, step, from[t][1], from[t][2], from[t][3], about)
    where = where + step.size
  end
  return {'ok', memo, results}, where
end

local function singly(at, n, about)
  local wanted, where = {}, at
  for t = 1, n do
    if head_cache[args[where + 1]] == nil then wanted[#wanted + 1] = args[where + 1] end
    where = where + steps[args[where]].size
  end
  read_heads(heads, wanted)
  local results = {}
  for t = 1, n do
    local step = steps[args[at]]
    local rev, attempt, entry = decide(at, step)
    if rev then
      local _
      _, results[t] = accept(at, step, rev, attempt, entry, about)
    else
      results[t] = attempt  -- the refusal
    end
    at = at + step.size
  end
  return {'each', results}, at
end

local function skip(at, n)
  for _ = 1, n do at = at + steps[args[at]].size end
  return at
end

local answers, key = {}, 9 + args[7]
local last_arg = #args
while i <= last_arg do
  local mode, fingerprint, memo, n = args[i], args[i + 1], args[i + 2], args[i + 7]
  local about = {at = args[i + 3], by = args[i + 4], cause = args[i + 5], trace = args[i + 6]}
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
      redis.call('SET', KEYS[key], cjson.encode({fingerprint, 'done', answer}), 'PX', args[5])
    end
  end
  if mode == '1' then key = key + 1 end
  answers[#answers + 1] = answer
  i = following or skip(i + 8, n)
end
write_heads(heads)
if made < to_make then redis.call('HINCRBY', ids, 'last', made - to_make) end
if hooked then redis.call('XADD', KEYS[8], 'MAXLEN', 1, '*', 'due', 'webhooks') end
for stream, entries in pairs(done) do
  local name = KEYS[stream]
  for n = 1, #entries, 1000 do
    redis.call('XACK', name, group, unpack(entries, n, math.min(n + 999, #entries)))
    redis.call('XDEL', name, unpack(entries, n, math.min(n + 999, #entries)))
  end
end
local encoded = cjson.encode(answers)
redis.call('SET', lane, call .. ' ' .. encoded, 'PX', args[4])
return encoded
