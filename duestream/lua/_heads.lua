-- heads: how a head is read, and how an accepted transition is put on the journal. Used by append and advance.
--
-- A head is "<revision> <status>"; an entity without one does not exist. A clear covers every number up to its own.

local function head_of(heads, id, cleared)
  if cleared > 0 and (tonumber(id) or math.huge) <= cleared then return 0, '' end
  local head = redis.call('HGET', heads, id)
  if not head then return 0, '' end
  local rev, status = string.match(head, '^(%d+) (.*)$')
  return tonumber(rev), status
end

local function put(journal, heads, id, rev, to, about, type, data)
  local fields = {'type', type, 'id', id, 'rev', rev, 'at', about.at, 'by', about.by, 'v', '1', 'data', data}
  if about.cause ~= '' then fields[#fields + 1] = 'cause'; fields[#fields + 1] = about.cause end
  if about.trace ~= '' then fields[#fields + 1] = 'trace'; fields[#fields + 1] = about.trace end
  redis.call('XADD', journal, '*', unpack(fields))
  if to == '' then
    redis.call('HDEL', heads, id)
  else
    redis.call('HSET', heads, id, rev .. ' ' .. to)
  end
end
