-- turn_steps: what can be asked for, by name. Each gets the queue (settled), who asks, and three arguments. Used by turn.

local steps = {}

local function standing(q, token, verdict, code, is_last)  -- how a token stands: the answer to who asks for it
  local before = 0
  if token.status == 'waiting' then before = is_last and q.waiting - 1 or redis.call('ZRANK', q.line, token.label) end
  return {verdict, token.label, token.n, token.status, token.taken, token.deadline, before, q.called, q.counters,
    q.turns, code or ''}
end

local function early(q, token)  -- it is another's turn
  local first = redis.call('ZRANGE', q.out, 0, 0, 'WITHSCORES')[2]
  local answer = standing(q, token, 'early')
  answer[#answer + 1] = math.max(0, (tonumber(first) or now) - now)
  return answer
end

local function wrong(token, code, who, limits)  -- who asks is not who has the token, as far as one can tell
  if token.code == '' or token.code == code then return nil end
  local wait = too_often(who.address, limits.per_minute)
  return wait and {'often', wait} or {'code'}
end

function steps.take(q, who, limits, code)
  local wait = too_often(who.address, limits.per_minute)
  if wait then return {'often', wait} end
  if q.waiting >= q.most then return {'full', q.waiting} end
  local label = not q.all_given and redis.call('ZPOPMIN', q.free)[1]
  if not label then
    q.all_given = true
    label = label_of(q.made)
    q.made = q.made + 1
  end
  q.last, q.waiting = q.last + 1, q.waiting + 1
  local token = {label = label, n = string.format('%d', q.last), rev = 0, taken = now, called = 0, deadline = 0}
  token.code = q.codes and code or ''
  q.tokens[label] = token
  redis.call('ZADD', q.line, token.n, label)
  moved(q, token, 'waiting', who, 'token.taken')
  call_next(q, who)
  return standing(q, token, 'ok', token.code, true)
end

function steps.claim(q, who, limits, label, code)
  local token = token_of(q, label)
  if not token then
    if q.waiting + q.called == 0 then return {'empty'} end
    local ms = tonumber(q.ban_ms ~= '-' and q.ban_ms or limits.ban_ms)
    if ms == 0 or who.address == '' then return {'cheat', '', 0} end
    local named = string.match(label, '^%u+%d%d$') and 'token ' .. label or 'a token'
    ban(who.address, ms, 'claimed ' .. named .. ' of queue ' .. q.name .. ', which was never given', who)
    local refusal = refusal_of(who.address)
    return {'cheat', refusal[2], refusal[3]}
  end
  if token.status == 'waiting' then return early(q, token) end
  local no = wrong(token, code, who, limits)
  if no then return no end
  if token.status == 'called' then
    redis.call('ZADD', q.out, now + q.serve_ms, label)
    token.deadline = now + q.serve_ms
    moved(q, token, 'serving', who, 'token.claimed')
  elseif token.status ~= 'serving' or token.code == '' then  -- without a code, a second claim may be another's
    return {'over', token.status, q.waiting + q.called}
  end
  return standing(q, token, 'ok')
end

function steps.finish(q, who, limits, label, code)  -- label "": whoever is served
  if label == '' then
    for _, each in ipairs(redis.call('ZRANGE', q.out, 0, -1)) do
      if token_of(q, each).status == 'serving' then label = each; break end
    end
  end
  local token = token_of(q, label)
  if not token then return {'absent'} end
  if token.status == 'waiting' or token.status == 'called' then return early(q, token) end
  if token.status ~= 'serving' then return {'over', token.status, q.waiting + q.called} end
  local no = wrong(token, code, who, limits)
  if no then return no end
  ended(q, token, 'served', who)
  call_next(q, who)
  return {'ok'}
end

function steps.leave(q, who, limits, label, code)
  local token = token_of(q, label)
  if not token then return {'absent'} end
  local live = token.status == 'waiting' or token.status == 'called' or token.status == 'serving'
  if not live then return {'over', token.status, q.waiting + q.called} end
  local no = wrong(token, code, who, limits)
  if no then return no end
  ended(q, token, token.status == 'serving' and 'served' or 'left', who)
  call_next(q, who)
  return {'ok'}
end

function steps.settle() return {'ok'} end  -- it is

function steps.configure(q, who, _, data, numbers, absent)  -- absent "1": only where there is no such queue
  if q.rev > 0 and (absent == '1' or q.data == data) then return {'ok', q.rev, 0} end
  q.rev, q.data = q.rev + 1, data
  local claim, serve, counters, codes, most, ms = string.match(numbers, '^(%d+) (%d+) (%d+) (%d) (%d+) (%S*)$')
  redis.call('HSET', q.key, 'rev', q.rev, 'data', data, 'claim_ms', claim, 'serve_ms', serve,
    'counters', counters, 'codes', codes, 'most', most, 'ban_ms', ms)
  q.claim_ms, q.serve_ms, q.counters = tonumber(claim), tonumber(serve), tonumber(counters)
  q.codes, q.most, q.ban_ms = codes == '1', tonumber(most), ms
  append(q.name, q.rev, 'configured', who, 'queue.configured', data)
  call_next(q, who)
  return {'ok', q.rev, 1}
end

function steps.unban(_, who, _, address, due)  -- due "1": only if its end has come
  local ban = ban_of(address)
  if not ban then return {'absent'} end
  if due == '1' and (ban.ends == 0 or ban.ends > now) then return {'later'} end
  unban(address, ban, who)
  return {'ok'}
end
