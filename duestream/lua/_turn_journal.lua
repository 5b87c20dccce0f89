-- turn_journal: how `turn` puts events on the journal. The heads are kept until its end, and written in one step.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local at = instant(now)
local heads = {}  -- entity id -> its head; false: it has none any more

local function append(id, rev, to, about, type, data)
  local fields = {'type', type, 'id', id, 'rev', rev, 'at', at, 'by', about.by, 'v', '1', 'data', data}
  if about.cause ~= '' then fields[15], fields[16] = 'cause', about.cause end
  if about.trace ~= '' then
    fields[#fields + 1] = 'trace'
    fields[#fields + 1] = about.trace
  end
  redis.call('XADD', KEYS[1], '*', unpack(fields))
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
