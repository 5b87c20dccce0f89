-- horizon: how far a consumer group has finished a journal. Used by horizon and turn_board.
--
-- Finished is what was delivered and acknowledged: with many consumers that is everything below the lowest pending
-- entry.

local function pair(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end

local function after(a, b)  -- a > b
  local ams, aseq = pair(a)
  local bms, bseq = pair(b)
  return ams > bms or (ams == bms and aseq > bseq)
end

local function horizon(journal, of, wanted)  -- {entry id, 1 if all up to it is finished else 0}; "" is the last entry
  if wanted == '' then
    local last = redis.call('XREVRANGE', journal, '+', '-', 'COUNT', 1)
    if #last == 0 then return {'0-0', 1} end
    wanted = last[1][1]
  end
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', journal)) do
    local info = {}
    for i = 1, #group, 2 do info[group[i]] = group[i + 1] end
    if info['name'] == of then
      if after(wanted, info['last-delivered-id']) then return {wanted, 0} end
      if info['pending'] == 0 then return {wanted, 1} end
      local lowest = redis.call('XPENDING', journal, of)[2]
      if lowest and not after(lowest, wanted) then return {wanted, 0} end
      return {wanted, 1}
    end
  end
  return {wanted, 0}
end
