-- progress: how far a journal is applied. Used by apply, gap, horizon, lag and turn_board.
--
-- A projector is given stretches of consecutive entries, and accounts for each in the step that applies it. Stretches
-- come in any order; those beyond a gap are kept until it is closed. A progress is a HASH: through, the entry up to
-- which everything is applied, count, how many entries that are, and per stretch beyond a gap: first entry -> "<last
-- entry> <how many>".

local function pair(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end

local function after(a, b)  -- a > b
  local ams, aseq = pair(a)
  local bms, bseq = pair(b)
  return ams > bms or (ams == bms and aseq > bseq)
end

local function applied_through(progress)
  return redis.call('HGET', progress, 'through') or '0-0'
end

local function stretches_beyond(progress)  -- {first, last, how many}, in order
  local found, flat = {}, redis.call('HGETALL', progress)
  for n = 1, #flat, 2 do
    local last, many = string.match(flat[n + 1], '^(%S+) (%d+)$')
    if last then found[#found + 1] = {flat[n], last, tonumber(many)} end
  end
  table.sort(found, function(a, b) return after(b[1], a[1]) end)
  return found
end

local function account(progress, journal, first, last, many)  -- a stretch is applied
  local stood = redis.call('HMGET', progress, 'through', 'count')
  local through, count = stood[1] or '0-0', tonumber(stood[2] or 0)

  local function joins(from, to, size)  -- whether a stretch leaves no gap; then it is counted
    if not after(from, through) then  -- it was applied before, or some of it was
      if after(to, through) then
        count = count + #redis.call('XRANGE', journal, '(' .. through, to)
        through = to
      end
      return true
    end
    local following = redis.call('XRANGE', journal, '(' .. through, '+', 'COUNT', 1)[1]
    if not following or following[1] ~= from then return false end
    through, count = to, count + size
    return true
  end

  if not joins(first, last, many) then
    redis.call('HSET', progress, first, last .. ' ' .. many)
    return
  end
  if redis.call('HLEN', progress) > (stood[1] and 2 or 0) then
    for _, each in ipairs(stretches_beyond(progress)) do
      if not joins(unpack(each)) then break end
      redis.call('HDEL', progress, each[1])
    end
  end
  redis.call('HSET', progress, 'through', through, 'count', count)
end

local function horizon(progress, journal, wanted)  -- {entry id, 1 if all up to it is applied else 0}; "": the last entry
  if wanted == '' then
    local last = redis.call('XREVRANGE', journal, '+', '-', 'COUNT', 1)
    if #last == 0 then return {'0-0', 1} end
    wanted = last[1][1]
  end
  return {wanted, after(wanted, applied_through(progress)) and 0 or 1}
end
