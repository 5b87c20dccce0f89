-- append: decide a batch of commands, and put what is accepted on the journal.
-- uses: _heads
--
-- KEYS[1]    STREAM  the journal of the kind
-- KEYS[2]    HASH    its heads
-- KEYS[3]    HASH    its ids
-- KEYS[4]    STRING  the caller's lane: its last call and what came of it
-- KEYS[5..]  STRING  the once record of each command that has an idempotency key, in order
-- ARGV[1..2] shard, number of shards
-- ARGV[3]    the call's number, higher than any before in its lane
-- ARGV[4..5] ms to keep the lane, ms to keep a once record
-- ARGV[6..]  per command: once (1|0), fingerprint, memo, at, by, cause, trace, n, and n transitions, each:
--            id ("" makes a new one), from (" open " lists statuses, "" is absent), to ("" is absent),
--            rev ("0" is any), type, data
--
-- Returns JSON, an array per command: ["ok" | "replay", memo, [id, rev, ...]] | ["refused", status, rev, index]
-- | ["reused"] | ["inflight"]. A command's transitions are accepted or refused together.
-- Writes nothing for a command that is refused, or answered from its once record. A call that was carried out before
-- gets the same answers and writes nothing; nor does one that comes after a later one of its lane, whose caller has
-- given up on it: it gets no answers.

local journal, heads, ids, lane = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local shard, shards = tonumber(ARGV[1]), tonumber(ARGV[2])
local call = ARGV[3]
local last, said = string.match(redis.call('GET', lane) or '', '^(%d+) (.*)$')
if last == call then return said end
if last and tonumber(last) > tonumber(call) then return '[]' end
local cleared = tonumber(redis.call('HGET', ids, 'cleared') or 0)

local function decide(at, n)
  local revs = {}
  for t = 1, n do
    local i = at + (t - 1) * 6
    local id, from, rev = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 3])
    if id ~= '' then
      local now, status = head_of(heads, id, cleared)
      local may = from == status or (status ~= '' and string.find(from, ' ' .. status .. ' ', 1, true))
      if not may or (rev > 0 and rev ~= now) then return nil, {'refused', status, now, t - 1} end
      revs[t] = now
    end
  end
  return revs
end

local function accept(at, n, revs, about)
  local results = {}
  for t = 1, n do
    local i = at + (t - 1) * 6
    local id, rev = ARGV[i], (revs[t] or 0) + 1
    if id == '' then
      id = string.format('%d', redis.call('HINCRBY', ids, 'last', 1) * shards + shard)
    end
    put(journal, heads, id, rev, ARGV[i + 2], about, ARGV[i + 4], ARGV[i + 5])
    results[#results + 1] = id
    results[#results + 1] = rev
  end
  return results
end

local answers, i, key = {}, 6, 5
while i <= #ARGV do
  local once, fingerprint, memo, n = ARGV[i] == '1', ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 7])
  local about = {at = ARGV[i + 3], by = ARGV[i + 4], cause = ARGV[i + 5], trace = ARGV[i + 6]}
  local answer
  local known = once and redis.call('GET', KEYS[key])
  if known then
    known = cjson.decode(known)
    if known[1] ~= fingerprint then answer = {'reused'}
    elseif known[2] == 'inflight' then answer = {'inflight'}
    else answer = known[3]; answer[1] = 'replay' end
  else
    local revs, refusal = decide(i + 8, n)
    answer = refusal or {'ok', memo, accept(i + 8, n, revs, about)}
    if once and not refusal then
      redis.call('SET', KEYS[key], cjson.encode({fingerprint, 'done', answer}), 'PX', ARGV[5])
    end
  end
  if once then key = key + 1 end
  answers[#answers + 1] = answer
  i = i + 8 + n * 6
end
local encoded = cjson.encode(answers)
redis.call('SET', lane, call .. ' ' .. encoded, 'PX', ARGV[4])
return encoded
