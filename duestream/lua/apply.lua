-- apply: bring read models up to a batch of events, and acknowledge the batch.
--
-- KEYS[1]   STREAM the journal that the batch came from
-- KEYS[2]   HASH   the kind's view
-- KEYS[3]   ZSET   the kind's due entries
-- KEYS[4]   STREAM the signal that a batch was applied
-- KEYS[5]   STREAM the signal that something is due earlier
-- KEYS[6]   STREAM dead entries
-- KEYS[7]   ZSET   due sweeps
-- KEYS[8..] ZSET   the kind's lists
-- KEYS[..]  HASH   one model per change, in order
-- ARGV[1]   consumer group   ARGV[2] kind   ARGV[3] ms to keep a tombstone   ARGV[4] highest id cleared, "0" if none
-- ARGV[5]   the models' field that names the list in which they stand, "" where there is one list
-- ARGV[6]   number of lists, then their names
-- ARGV[..]  number of templates, then per template: f, s, d, then the names of f fields that always hold, of s that
--           hold if the change is newer, and of d that go if it is newer
-- ARGV[..]  number of changes, then per change: id, rev, number in the list, due ms ("" if none), which list (0: gone),
--           which template, and the values of its f + s fields
-- ARGV[..]  number of dead entries, then per dead entry: entry id, reason, n, and the entry's n fields and values
-- ARGV[..]  the batch's entry ids
--
-- Returns how many changes were newer than what stood there. Of older ones only the fields that always hold are
-- written; what a clear covers is removed.

local view, due = KEYS[2], KEYS[3]
local cleared = tonumber(redis.call('HGET', view, 'cleared') or 0)
if tonumber(ARGV[4]) > cleared then
  cleared = tonumber(ARGV[4])
  redis.call('HSET', view, 'cleared', ARGV[4])
  redis.call('ZADD', KEYS[7], 0, ARGV[2])
  redis.call('XADD', KEYS[5], 'MAXLEN', 1, '*', 'due', 'sweeps')
end

local place_field, lists, list_of = ARGV[5], tonumber(ARGV[6]), {}
local listed, unlisted = {}, {}
for n = 1, lists do
  list_of[ARGV[6 + n]] = n
  listed[n], unlisted[n] = {}, {}
end

local i = 8 + lists
local templates = {}
for t = 1, tonumber(ARGV[i - 1]) do
  local f, s, d = tonumber(ARGV[i]), tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local template = {f = f, n = f + s, pairs = {}, drops = {}}
  for n = 1, f + s do template.pairs[2 * n - 1] = ARGV[i + 2 + n] end
  for n = 1, d do template.drops[n] = ARGV[i + 2 + f + s + n] end
  templates[t] = template
  i = i + 3 + f + s + d
end

local armed, disarmed = {}, {}
local earliest = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')[2]
earliest = earliest and tonumber(earliest) or math.huge
local wake, newer = false, 0
local first = i + 1
i = first
for c = 1, tonumber(ARGV[first - 1]) do
  local id, rev, at, place = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 3], tonumber(ARGV[i + 4])
  local template = templates[tonumber(ARGV[i + 5])]
  local fields, n, number = template.pairs, template.n, ARGV[i + 2]
  for value = 1, n do fields[2 * value] = ARGV[i + 5 + value] end
  i = i + 6 + n
  local model = KEYS[7 + lists + c]
  if cleared > 0 and (tonumber(id) or math.huge) <= cleared then
    redis.call('UNLINK', model)
    for l = 1, lists do table.insert(unlisted[l], id) end
    disarmed[#disarmed + 1] = id
  else
    local stood, before = false, 0
    if place_field == '' then
      stood = redis.call('HGET', model, 'rev')
      before = stood and 1 or 0
    else
      local stands = redis.call('HMGET', model, 'rev', place_field)
      stood, before = stands[1], list_of[stands[2]] or 0
    end
    if rev > tonumber(stood or 0) then
      newer = newer + 1
      redis.call('HSET', model, unpack(fields, 1, 2 * n))
      if stood and #template.drops > 0 then redis.call('HDEL', model, unpack(template.drops)) end
      if at ~= '' then
        armed[#armed + 1] = at
        armed[#armed + 1] = id
        if tonumber(at) < earliest then earliest = tonumber(at); wake = true end
      elseif stood then
        disarmed[#disarmed + 1] = id
      end
      if before ~= place then
        if before > 0 then table.insert(unlisted[before], id) end
        if place > 0 then
          table.insert(listed[place], number)
          table.insert(listed[place], id)
        end
      end
      if place == 0 then redis.call('PEXPIRE', model, ARGV[3]) end
    else
      redis.call('HSET', model, unpack(fields, 1, 2 * template.f))
    end
  end
end

local function in_thousands(command, key, args)
  for n = 1, #args, 1000 do redis.call(command, key, unpack(args, n, math.min(n + 999, #args))) end
end
for n = 1, lists do
  in_thousands('ZADD', KEYS[7 + n], listed[n])
  in_thousands('ZREM', KEYS[7 + n], unlisted[n])
end
in_thousands('ZADD', due, armed)
in_thousands('ZREM', due, disarmed)

local dead = tonumber(ARGV[i])
i = i + 1
for _ = 1, dead do
  local n = tonumber(ARGV[i + 2])
  redis.call('XADD', KEYS[6], '*', 'entry', ARGV[i], 'kind', ARGV[2], 'reason', ARGV[i + 1],
    unpack(ARGV, i + 3, i + 2 + n))
  i = i + 3 + n
end

for n = i, #ARGV, 1000 do redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, n, math.min(n + 999, #ARGV))) end
if wake then redis.call('XADD', KEYS[5], 'MAXLEN', 1, '*', 'due', ARGV[2]) end
redis.call('XADD', KEYS[4], 'MAXLEN', 1, '*', 'applied', ARGV[2])
return newer
