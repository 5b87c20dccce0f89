-- chunk: how a part of a large batch of creations is put on the journal. Used by begin and advance, with _heads.
--
-- A chunk is MessagePack, one flat array, per creation: step, id ("" makes one), data, place of its ready stream (0:
-- none). A step is {type, status that it leads to}.

local function put_chunk(chunk, steps, about, number, ids, journal, heads, ready)
  -- number: of the first entity, where their ids are made; ids: {the kind's ids, shard, number of shards}; ready: how
  -- many keys stand before the first ready stream. Returns how many were put there.
  local cleared = tonumber(redis.call('HGET', ids[1], 'cleared') or 0)
  local creations = cmsgpack.unpack(chunk)
  local count = #creations / 4
  for n = 1, count do
    local i = 4 * n - 3
    local step, id, data, place = steps[creations[i]], creations[i + 1], creations[i + 2], creations[i + 3]
    local to = step[2]
    if id == '' then
      local made = (number + n - 1) * ids[3] + ids[2]
      id = string.format('%d', made)
      if made <= cleared then to = '' end  -- a clear that came meanwhile covers it
    end
    local entry = ''
    if place > 0 then entry = redis.call('XADD', KEYS[ready + place], '*', 'id', id, 'attempt', '1', 'work', data) end
    put(journal, id, '1', to, '0', entry, about, step[1], data)
  end
  write_heads(heads)
  return count
end
