-- apply: bring read models up to a batch of events, and account for them.
-- uses: _progress
--
-- KEYS[1]   STREAM the journal that the batch came from
-- KEYS[2]   HASH   the kind's progress
-- KEYS[3]   HASH   the kind's view
-- KEYS[4]   ZSET   the kind's due entries
-- KEYS[5]   STREAM the signal that a batch was applied
-- KEYS[6]   STREAM the signal that something is due earlier
-- KEYS[7]   STREAM dead entries
-- KEYS[8]   ZSET   due sweeps
-- KEYS[9..] ZSET   the kind's lists
-- KEYS[..]  HASH   one model per change, in order
-- ARGV[1]   MessagePack: one flat array, which costs a fraction of what as many arguments do; numbers are texts where
--           they go on to Redis:
--   1..3    kind, ms to keep a tombstone, highest id cleared (0 if none)
--   4       the models' field that names the list in which they stand, "" where there is one list
--   5..     number of lists, then their names
--   ..      number of templates, which changes share, then per template: rev (text), which list (0: gone), f, s, d, then
--           the names of f fields that always hold, of s that hold if the change is newer, and of d that go if it is
--   ..      number of changes, then per change: id, number in the list (text), due ms (text, "" if none), which template,
--           and the values of its f + s fields
--   ..      number of dead entries, then per dead entry: entry id, reason, n, and the entry's n fields and values
--   ..      of the stretch that is applied with this call: first entry, last entry, how many; nothing if there is none
--
-- Returns how many changes were newer than what stood there. Of older ones only the fields that always hold are
-- written; what a clear covers is removed. An entry that was put aside before is not put aside again.

local args = cmsgpack.unpack(ARGV[1])
local journal, progress, view, due = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local cleared = tonumber(redis.call('HGET', view, 'cleared') or 0)
if args[3] > cleared then
  cleared = args[3]
  redis.call('HSET', view, 'cleared', args[3])
  redis.call('ZADD', KEYS[8], 0, args[1])
  redis.call('XADD', KEYS[6], 'MAXLEN', 1, '*', 'due', 'sweeps')
end

local place_field, lists = args[4], args[5]
local list_of, listed, unlisted = {}, {}, {}
for n = 1, lists do
  list_of[args[5 + n]] = n
  listed[n], unlisted[n] = {}, {}
end

local i = 7 + lists
local templates = {}
for t = 1, args[i - 1] do
  local f, s, d = args[i + 2], args[i + 3], args[i + 4]
  local n = f + s
  local template = {rev = args[i], place = args[i + 1], facts = 2 * f, n = n, all = 2 * n + 2, pairs = {}, drops = {}}
  for name = 1, n do template.pairs[2 * name - 1] = args[i + 4 + name] end
  template.pairs[2 * n + 1], template.pairs[2 * n + 2] = 'rev', template.rev
  for name = 1, d do template.drops[name] = args[i + 4 + n + name] end
  templates[t] = template
  i = i + 5 + n + d
end

local armed, disarmed = {}, {}
local earliest = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')[2]
earliest = earliest and tonumber(earliest) or math.huge
local wake, newer = false, 0
local count, first, models = args[i], i + 1, 8 + lists

local fresh = {}  -- models of entities that begin in this batch
i = first
for c = 1, count do
  local template = templates[args[i + 3]]
  if template.rev == '1' then fresh[#fresh + 1] = KEYS[models + c] end
  i = i + 4 + template.n
end
local none_stands = #fresh > 0 and redis.call('EXISTS', unpack(fresh)) == 0  -- as it is but for what comes again

i = first
for c = 1, count do
  local id, at, template = args[i], args[i + 2], templates[args[i + 3]]
  local fields, n, place = template.pairs, template.n, template.place
  for value = 1, n do fields[2 * value] = args[i + 3 + value] end
  local model = KEYS[models + c]
  if cleared > 0 and (tonumber(id) or math.huge) <= cleared then
    redis.call('UNLINK', model)
    for _, ids in ipairs(unlisted) do ids[#ids + 1] = id end
    disarmed[#disarmed + 1] = id
  else
    local stood, before
    if template.rev == '1' and none_stands then
      before = 0
    elseif place_field == '' then
      stood = redis.call('HGET', model, 'rev')
      before = stood and 1 or 0
    else
      local stands = redis.call('HMGET', model, 'rev', place_field)
      stood, before = stands[1], list_of[stands[2]] or 0
    end
    if not stood or tonumber(template.rev) > tonumber(stood) then
      newer = newer + 1
      redis.call('HSET', model, unpack(fields, 1, template.all))
      if stood and #template.drops > 0 then redis.call('HDEL', model, unpack(template.drops)) end
      if at ~= '' then
        local size = #armed
        armed[size + 1], armed[size + 2] = at, id
        if tonumber(at) < earliest then earliest = tonumber(at); wake = true end
      elseif stood then
        disarmed[#disarmed + 1] = id
      end
      if before ~= place then
        local from, to = unlisted[before], listed[place]
        if from then from[#from + 1] = id end
        if to then
          local size = #to
          to[size + 1], to[size + 2] = args[i + 1], id
        end
      end
      if place == 0 then redis.call('PEXPIRE', model, args[2]) end
    else
      redis.call('HSET', model, unpack(fields, 1, template.facts))
    end
  end
  i = i + 4 + n
end

local function in_thousands(command, key, list)
  for n = 1, #list, 1000 do redis.call(command, key, unpack(list, n, math.min(n + 999, #list))) end
end
for n = 1, lists do
  in_thousands('ZADD', KEYS[8 + n], listed[n])
  in_thousands('ZREM', KEYS[8 + n], unlisted[n])
end
in_thousands('ZADD', due, armed)
in_thousands('ZREM', due, disarmed)

local dead, through = args[i], applied_through(progress)
i = i + 1
for _ = 1, dead do
  local n = args[i + 2]
  if after(args[i], through) then
    redis.call('XADD', KEYS[7], '*', 'entry', args[i], 'kind', args[1], 'reason', args[i + 1],
      unpack(args, i + 3, i + 2 + n))
  end
  i = i + 3 + n
end
if args[i] then account(progress, journal, args[i], args[i + 1], args[i + 2]) end

if wake then redis.call('XADD', KEYS[6], 'MAXLEN', 1, '*', 'due', args[1]) end
redis.call('XADD', KEYS[5], 'MAXLEN', 1, '*', 'applied', args[1])
return newer
