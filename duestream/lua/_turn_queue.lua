-- turn_queue: a queue as it stands, and how its tokens come and go. Used by turn.
--
-- A token's record, by its label: "<number> <revision> <status> <taken> <called> <deadline> <code>", the times in ms, 0
-- for none. A label whose token has ended keeps the record until it is given again. Records that change are written at
-- the end, in one step. KEYS[k..k+4] are a queue's, see `turn`.

local function open_queue(k, name)
  local stored = redis.call('HMGET', KEYS[k],
    'rev', 'data', 'claim_ms', 'serve_ms', 'counters', 'codes', 'most', 'ban_ms', 'last', 'made', 'turns')
  return {
    name = name, key = KEYS[k], line = KEYS[k + 1], records = KEYS[k + 2], free = KEYS[k + 3], out = KEYS[k + 4],
    rev = tonumber(stored[1] or 0), data = stored[2], claim_ms = tonumber(stored[3]), serve_ms = tonumber(stored[4]),
    counters = tonumber(stored[5]), codes = stored[6] == '1', most = tonumber(stored[7]), ban_ms = stored[8],
    last = tonumber(stored[9] or 0), made = tonumber(stored[10] or 0), turns = stored[11] or '',
    tokens = {}, changed = {}, waiting = redis.call('ZCARD', KEYS[k + 1]), called = redis.call('ZCARD', KEYS[k + 4]),  -- called or served
  }
end

local function token_of(q, label)  -- the last one with this label
  if q.tokens[label] then return q.tokens[label] end
  local record = redis.call('HGET', q.records, label)
  if not record then return nil end
  local n, rev, status, taken, called, deadline, code =
    string.match(record, '^(%d+) (%d+) (%a+) (%d+) (%d+) (%d+) (%w*)$')
  local token = {label = label, n = n, rev = tonumber(rev), status = status, taken = tonumber(taken),
    called = tonumber(called), deadline = tonumber(deadline), code = code}
  q.tokens[label] = token
  return token
end

local function moved(q, token, status, about, type)  -- the token has another status now
  token.status, token.rev = status, token.rev + 1
  local over = status == 'served' or status == 'lapsed' or status == 'left'
  local ends = token.deadline > 0 and '"expires_at":"' .. instant(token.deadline) .. '",' or ''
  append(q.name .. '/' .. token.label .. '/' .. token.n, token.rev, over and '' or status, about, type,
    '{"label":"' .. token.label .. '",' .. ends .. '"waiting":' .. q.waiting .. '}')
  q.changed[token.label] = true
end

local function call_next(q, about)  -- as many as there are counters
  while q.called < q.counters and q.waiting > 0 do
    local token = token_of(q, redis.call('ZPOPMIN', q.line)[1])
    q.waiting, q.called = q.waiting - 1, q.called + 1
    token.called, token.deadline = now, now + q.claim_ms
    redis.call('ZADD', q.out, token.deadline, token.label)
    moved(q, token, 'called', about, 'token.called')
  end
end

local function ended(q, token, status, about)  -- its label is free
  if token.status == 'waiting' then
    redis.call('ZREM', q.line, token.label)
    q.waiting = q.waiting - 1
  else
    redis.call('ZREM', q.out, token.label)
    q.called = q.called - 1
    local turns = {string.format('%d', now - token.called)}
    for each in string.gmatch(q.turns, '%d+') do
      if #turns < 20 then turns[#turns + 1] = each end
    end
    q.turns = table.concat(turns, ' ')
  end
  redis.call('ZADD', q.free, index_of(token.label), token.label)
  q.all_given = false
  token.deadline, token.code = 0, ''
  moved(q, token, status, about, 'token.' .. status)
end

local function settle(q, about)  -- what is past its deadline has ended
  if q.settled then return end
  q.settled = true
  for _, label in ipairs(redis.call('ZRANGEBYSCORE', q.out, '-inf', now)) do
    local token = token_of(q, label)
    ended(q, token, token.status == 'serving' and 'served' or 'lapsed', about)
  end
  call_next(q, about)
end

local function close_queue(q)
  local records = {}
  for label in pairs(q.changed) do
    local token = q.tokens[label]
    records[#records + 1] = label
    records[#records + 1] = string.format('%s %d %s %d %d %d %s',
      token.n, token.rev, token.status, token.taken, token.called, token.deadline, token.code)
  end
  for n = 1, #records, 2000 do
    redis.call('HSET', q.records, unpack(records, n, math.min(n + 1999, #records)))
  end
  if q.rev > 0 then redis.call('HSET', q.key, 'last', q.last, 'made', q.made, 'turns', q.turns) end
end
