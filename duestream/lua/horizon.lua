-- horizon: whether every entry up to one is applied to the read models.
-- uses: _progress
--
-- KEYS[1] HASH the kind's progress   KEYS[2] STREAM the journal
-- ARGV[1] entry id, or "" for the last entry that there is
--
-- Returns {entry id, 1 if all up to it is applied else 0}. Writes nothing.

return horizon(KEYS[1], KEYS[2], ARGV[1])
