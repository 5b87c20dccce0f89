-- write_log: add what a job's container put out to its log, and let go of the oldest where that is too much.
-- uses: _heads
--
-- KEYS[1] STREAM the job's log   KEYS[2] HASH the jobs' heads
-- ARGV[1] the job's id   ARGV[2] attempt   ARGV[3] most bytes of text   ARGV[4..] per piece: stream, stamp, text
--
-- Returns how many pieces were let go. The size so far is in the last entry; a piece that is larger than all that may
-- be kept is cut by the caller. Writes nothing when this is not the job's attempt any more: then it returns -1.

local _, status, attempt = head_of(KEYS[2], ARGV[1], 0)
if status == '' or attempt ~= ARGV[2] then return -1 end
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local size = last[1] and tonumber(last[1][2][10]) or 0
local dropped = 0
for i = 4, #ARGV, 3 do
  size = size + #ARGV[i + 2]
  while size > tonumber(ARGV[3]) do
    local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
    if not oldest then break end
    size = size - #oldest[2][8]
    redis.call('XDEL', KEYS[1], oldest[1])
    dropped = dropped + 1
  end
  redis.call('XADD', KEYS[1], '*',
    'attempt', ARGV[2], 'stream', ARGV[i], 'stamp', ARGV[i + 1], 'text', ARGV[i + 2], 'size', size)
end
return dropped
