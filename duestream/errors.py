"""Why something was not done. One base, a class per reason; HTTP statuses are `api.problems`' affair."""


class DuestreamError(Exception):
    """Anything that Duestream refuses or cannot do."""


class Misuse(DuestreamError):
    """The caller broke a rule that no retry mends: a bad setting, an impossible call."""


class Refused(DuestreamError):
    """The journal refused a transition: the entity's head is not where the transition starts.

    status: the head's status, "" when there is no such entity; rev: its revision, 0 when there is none; attempt and
    entry: the head's; holder: who has the unique key, "" if nobody. index: which transition of the command it was.
    """

    def __init__(self, status: str, rev: int, attempt: int = 0, entry: str = "", holder: str = "") -> None:
        super().__init__(f"the head is {status or 'absent'} at revision {rev}")
        self.status = status
        self.rev = rev
        self.attempt = attempt
        self.entry = entry
        self.holder = holder
        self.index = 0


class KeyReused(DuestreamError):
    """An idempotency key came back with another payload."""


class InFlight(DuestreamError):
    """The command with this idempotency key is still being carried out."""


class Unavailable(DuestreamError):
    """Redis could not be reached in time. Whether the last call was carried out is unknown."""


class Behind(DuestreamError):
    """The read models did not catch up with the journal in time."""


class WrongShards(Misuse):
    """The data was written with another number of shards."""

    def __init__(self, *, stored: int, asked: int) -> None:
        super().__init__(
            f"DUESTREAM_SHARDS is {asked}, but this data was written with {stored} "
            f"{'shard' if stored == 1 else 'shards'}: ids and keys depend on the number, "
            f"so start with DUESTREAM_SHARDS={stored} or with another database"
        )
