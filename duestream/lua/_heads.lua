-- heads: how heads are read and written, and how an accepted transition is put on the journal. Used by scripts that
-- decide; each must end with `write_heads`, which writes them all in one step.
--
-- A head is "<revision> <status>[ <attempt>[ <entry>]]": the attempts begun so far, and the entry of a ready stream by
-- which it waits or is worked on. An entity without a head does not exist. A clear covers every number up to its own.

local head_cache = {}  -- by id, as it stands or is to be written; false: none

local function read_heads(heads, wanted)  -- have many at hand
  for n = 1, #wanted, 1000 do
    local found = redis.call('HMGET', heads, unpack(wanted, n, math.min(n + 999, #wanted)))
    for k = 1, #found do head_cache[wanted[n + k - 1]] = found[k] end
  end
end

-- Numbers are kept as the text that they are in Redis: to turn one into the other costs more than all else here.
local texts, followers = {}, {}

local function text(n)
  local known = texts[n]
  if not known then known = string.format('%d', n); texts[n] = known end
  return known
end

local function after_text(number)  -- the text of the next number
  local known = followers[number]
  if not known then known = string.format('%d', tonumber(number) + 1); followers[number] = known end
  return known
end

local function head_of(heads, id, cleared)  -- revision, status, attempt, entry; "0", "", "0", "" where there is none
  if cleared > 0 and (tonumber(id) or math.huge) <= cleared then return '0', '', '0', '' end
  local head = head_cache[id]
  if head == nil then
    head = redis.call('HGET', heads, id)
    head_cache[id] = head
  end
  if not head then return '0', '', '0', '' end
  local rev, status, attempt, entry = string.match(head, '^(%d+) (%S*) ?(%d*) ?(%S*)$')
  return rev, status, attempt ~= '' and attempt or '0', entry
end

local changed_heads, is_changed = {}, {}

local function write_heads(heads)
  local set, gone = {}, {}
  for n = 1, #changed_heads do
    local id = changed_heads[n]
    local head = head_cache[id]
    if head then set[#set + 1] = id; set[#set + 1] = head else gone[#gone + 1] = id end
  end
  for n = 1, #set, 2000 do redis.call('HSET', heads, unpack(set, n, math.min(n + 1999, #set))) end
  for n = 1, #gone, 1000 do redis.call('HDEL', heads, unpack(gone, n, math.min(n + 999, #gone))) end
end

local entry_fields = {'type', '', 'id', '', 'rev', '', 'at', '', 'by', '', 'v', '1', 'data', ''}

local function put(journal, id, rev, to, attempt, entry, about, type, data)  -- the entry's id
  local fields, n = entry_fields, 14
  fields[2], fields[4], fields[6], fields[8], fields[10], fields[14] = type, id, rev, about.at, about.by, data
  if about.cause ~= '' then fields[n + 1], fields[n + 2] = 'cause', about.cause; n = n + 2 end
  if about.trace ~= '' then fields[n + 1], fields[n + 2] = 'trace', about.trace; n = n + 2 end
  local written = redis.call('XADD', journal, '*', unpack(fields, 1, n))
  local head = false
  if to ~= '' then
    if entry ~= '' then head = rev .. ' ' .. to .. ' ' .. attempt .. ' ' .. entry
    elseif attempt ~= '0' then head = rev .. ' ' .. to .. ' ' .. attempt
    else head = rev .. ' ' .. to end
  end
  head_cache[id] = head
  if not is_changed[id] then
    is_changed[id] = true
    changed_heads[#changed_heads + 1] = id
  end
  return written
end
