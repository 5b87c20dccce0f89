-- turn_journal: how `turn` puts events on the journal. The heads are kept until its end, and written in one step.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local at = instant(now)
local heads = {}  -- entity id -> its head; false: it has none any more

local fields = {'type', '', 'id', '', 'rev', '', 'at', at, 'by', '', 'v', '1', 'data', ''}

local function append(id, rev, to, about, type, data)
  local n = 14
  fields[2], fields[4], fields[6], fields[10], fields[14] = type, id, rev, about.by, data
  if about.cause ~= '' then fields[n + 1], fields[n + 2] = 'cause', about.cause; n = n + 2 end
  if about.trace ~= '' then fields[n + 1], fields[n + 2] = 'trace', about.trace; n = n + 2 end
  redis.call('XADD', KEYS[1], '*', unpack(fields, 1, n))
  heads[id] = to ~= '' and rev .. ' ' .. to
end

local function write_heads()
  local set, gone = {}, {}
  for id, head in pairs(heads) do
    if head then set[#set + 1] = id; set[#set + 1] = head else gone[#gone + 1] = id end
  end
  for n = 1, #set, 2000 do redis.call('HSET', KEYS[2], unpack(set, n, math.min(n + 1999, #set))) end
  for n = 1, #gone, 1000 do redis.call('HDEL', KEYS[2], unpack(gone, n, math.min(n + 999, #gone))) end
end
