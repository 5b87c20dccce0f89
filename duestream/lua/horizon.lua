-- horizon: whether a consumer group has finished every entry up to one.
-- uses: _horizon
--
-- KEYS[1] STREAM the journal
-- ARGV[1] consumer group   ARGV[2] entry id, or "" for the last entry that there is
--
-- Returns {entry id, 1 if all up to it is finished else 0}. Writes nothing.

return horizon(KEYS[1], ARGV[1], ARGV[2])
