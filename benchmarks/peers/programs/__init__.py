"""One small program per peer, run by the peer's own interpreter: `put`, `submit` or `work`.

Nothing of ours is imported but what is in this folder. A job's name says what it does: `length` returns its payload's
length, `sleeper` sleeps before, `timed` notes how late it starts.
"""
