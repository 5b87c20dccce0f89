-- labels: what stands on tokens. A00 is the label with index 0, Z99 that with 2599, AA00 the next. Used by turn.

local function label_of(index)
  local letters, block = 1, 2600
  while index >= block do index, letters, block = index - block, letters + 1, block * 26 end
  local text = string.format('%02d', index % 100)
  index = math.floor(index / 100)
  for _ = 1, letters do
    text = string.char(65 + index % 26) .. text
    index = math.floor(index / 26)
  end
  return text
end

local function index_of(label)
  local letters, number = string.match(label, '^(%u+)(%d%d)$')
  local index, first, block = 0, 0, 2600
  for n = 1, #letters do
    index = index * 26 + string.byte(letters, n) - 65
    if n > 1 then first, block = first + block, block * 26 end
  end
  return first + index * 100 + tonumber(number)
end
