-- turn_bans: who is kept out, and who comes too often. Used by turn.
--
-- A ban is "<ms of its end, 0: it has none> <number> <reason>", by address.

local function ban_of(address)  -- the ban of an address, whether or not its end has come; nil: none
  local ban = redis.call('HGET', KEYS[5], address)
  if not ban then return nil end
  local ends, n, reason = string.match(ban, '^(%d+) (%d+) (.*)$')
  return {ends = tonumber(ends), n = n, reason = reason}
end

local known = {}  -- by address, in this call

local function refusal_of(address)  -- what whoever comes from there is told; nil: he may come in
  if address == '' then return nil end
  if known[address] == nil then
    local ban = ban_of(address)
    known[address] = ban and (ban.ends == 0 or ban.ends > now) and {'banned', ban.reason, ban.ends}
  end
  return known[address] or nil
end

local function unban(address, ban, about)
  redis.call('HDEL', KEYS[5], address)
  known[address] = nil
  append('@' .. address .. '/' .. ban.n, 2, '', about, 'client.unbanned', cjson.encode({address = address}))
end

local function ban(address, ms, reason, about)  -- ms: -1 for ever
  local before = ban_of(address)
  if before then unban(address, before, about) end
  local ends = ms < 0 and 0 or now + ms
  local n = string.format('%d', redis.call('HINCRBY', KEYS[3], 'last', 1))
  redis.call('HSET', KEYS[5], address, string.format('%d', ends) .. ' ' .. n .. ' ' .. reason)
  known[address] = nil
  local event = {address = address, reason = reason, ends_at = ends > 0 and instant(ends) or nil}
  append('@' .. address .. '/' .. n, 1, 'banned', about, 'client.banned', cjson.encode(event))
end

local swept = false

local function too_often(address, per_minute)  -- ms until the address may come again; nil: now, and that counts
  if address == '' or per_minute == 0 then return nil end
  if not swept then redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', now) end
  swept = true
  local paid = math.max(tonumber(redis.call('ZSCORE', KEYS[6], address) or 0), now) + 60000 / per_minute
  if paid - now > 60000 then return math.ceil(paid - now - 60000) end
  redis.call('ZADD', KEYS[6], string.format('%.3f', paid), address)
  return nil
end
