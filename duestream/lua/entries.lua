-- entries: some entries of a journal.
--
-- KEYS[1] STREAM the journal   ARGV[1..] entry ids
--
-- Returns the entries that are there, as XRANGE would. Writes nothing.

local found = {}
for i = 1, #ARGV do
  local entry = redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i])
  if entry[1] then found[#found + 1] = entry[1] end
end
return found
