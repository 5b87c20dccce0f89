-- gap: the first entries of a journal that are not applied, though others behind them may be.
-- uses: _progress
--
-- KEYS[1] HASH the kind's progress   KEYS[2] STREAM the journal
-- ARGV[1] entry up to which to look, "" for none   ARGV[2] how many at most
--
-- Returns the entries, as XRANGE would; none where all up to that entry is applied. Writes nothing.

local through, until_ = applied_through(KEYS[1]), ARGV[1]
if until_ == '' or not after(until_, through) then return {} end
local beyond = stretches_beyond(KEYS[1])[1]
if beyond and after(beyond[1], through) and not after(beyond[1], until_) then until_ = '(' .. beyond[1] end
return redis.call('XRANGE', KEYS[2], '(' .. through, until_, 'COUNT', ARGV[2])
