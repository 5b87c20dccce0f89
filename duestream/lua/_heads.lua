-- heads: how a head is read, and how an accepted transition is put on the journal. Used by append and advance.
--
-- A head is "<revision> <status>[ <attempt>[ <entry>]]": the attempts begun so far, and the entry of a ready stream by
-- which it waits or is worked on. An entity without a head does not exist. A clear covers every number up to its own.

local function head_of(heads, id, cleared)
  if cleared > 0 and (tonumber(id) or math.huge) <= cleared then return 0, '', 0, '' end
  local head = redis.call('HGET', heads, id)
  if not head then return 0, '', 0, '' end
  local rev, status, attempt, entry = string.match(head, '^(%d+) (%S*) ?(%d*) ?(%S*)$')
  return tonumber(rev), status, tonumber(attempt) or 0, entry
end

local entry_fields = {'type', '', 'id', '', 'rev', '', 'at', '', 'by', '', 'v', '1', 'data', ''}

local function put(journal, heads, id, rev, to, attempt, entry, about, type, data)
  local fields, n = entry_fields, 14
  fields[2], fields[4], fields[6], fields[8], fields[10], fields[14] = type, id, rev, about.at, about.by, data
  if about.cause ~= '' then fields[n + 1], fields[n + 2] = 'cause', about.cause; n = n + 2 end
  if about.trace ~= '' then fields[n + 1], fields[n + 2] = 'trace', about.trace; n = n + 2 end
  redis.call('XADD', journal, '*', unpack(fields, 1, n))
  if to == '' then
    redis.call('HDEL', heads, id)
  elseif entry ~= '' then
    redis.call('HSET', heads, id, rev .. ' ' .. to .. ' ' .. attempt .. ' ' .. entry)
  elseif attempt > 0 then
    redis.call('HSET', heads, id, rev .. ' ' .. to .. ' ' .. attempt)
  else
    redis.call('HSET', heads, id, rev .. ' ' .. to)
  end
end
