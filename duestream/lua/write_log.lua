-- write_log: add what a job's container put out to its log, and let go of the oldest where that is too much.
--
-- KEYS[1] STREAM the job's log
-- ARGV[1] most bytes of text   ARGV[2..] per piece: attempt, stream, stamp, text
--
-- Returns how many pieces were let go. The size so far is in the last entry; a piece that is larger than all that may
-- be kept is cut by the caller.

local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local size = last[1] and tonumber(last[1][2][10]) or 0
local dropped = 0
for i = 2, #ARGV, 4 do
  size = size + #ARGV[i + 3]
  while size > tonumber(ARGV[1]) do
    local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
    if not oldest then break end
    size = size - #oldest[2][8]
    redis.call('XDEL', KEYS[1], oldest[1])
    dropped = dropped + 1
  end
  redis.call('XADD', KEYS[1], '*',
    'attempt', ARGV[i], 'stream', ARGV[i + 1], 'stamp', ARGV[i + 2], 'text', ARGV[i + 3], 'size', size)
end
return dropped
