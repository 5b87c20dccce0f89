"""Taking jobs in: one by itself, or many, all or none."""

import hashlib
import os
from collections.abc import Sequence

import msgspec

from api.problems import FieldError, Problem
from duestream.batches import create_many
from duestream.clock import now_ms
from duestream.errors import InFlight, Refused
from duestream.events import Origin, Transition
from duestream.ids import Ids, low_for, sequence
from duestream.jobs import JobScheduled, JobSubmitted, ready_queue
from duestream.journal import Accepted, Command, Journal, Once


class Taken(msgspec.Struct, frozen=True):
    """Jobs that were taken in. at: when, as `instants.stamp`; the first time, where this is a replay."""

    at: str
    ids: list[str]
    replayed: bool


class Submissions:
    """The writing side of one process: it makes ids, and puts jobs on the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._ids = Ids()
        self._in_flight: set[str] = set()

    async def submit(self, source: Origin, events: Sequence[JobSubmitted | JobScheduled], once: Once | None) -> Taken:
        """Take jobs in; with a unique key only one by itself. Raises Problem 409 where the key's holder lives."""
        unique = events[0].unique if len(events) == 1 else ""
        ids = self._ids.make(now_ms(), len(events), low=self._low(unique, once))
        transitions = [
            Transition(event, id, 0, 0, unique, ready_queue(event)) for event, id in zip(events, ids, strict=True)
        ]
        try:
            accepted = await self._once(Command(source, transitions, once, memo=f"{source.at} {ids[0]}"))
        except Refused as refusal:
            if not refusal.holder:
                raise
            raise taken(unique, refusal.holder) from None
        at, _, first = accepted.memo.partition(" ")
        return Taken(at, sequence(first, len(ids)) if accepted.replayed else ids, accepted.replayed)

    async def _once(self, command: Command) -> Accepted:
        if command.once is None:
            return await create_many(self._journal, command)
        key = command.once.key
        if key in self._in_flight:
            raise InFlight
        self._in_flight.add(key)
        try:
            return await create_many(self._journal, command)
        finally:
            self._in_flight.discard(key)

    def _low(self, unique: str, once: Once | None) -> int | None:
        """The end of ids, so that those who must meet do so in one shard; None: it does not matter."""
        shards = len(self._journal.shards)
        if unique:
            shard = int(hashlib.sha256(unique.encode()).hexdigest()[:8], 16) % shards
        elif once is not None:
            shard = self._journal.shard_for(once)
        else:
            return None
        return low_for(shard, shards, int.from_bytes(os.urandom(4), "big"))


def taken(unique: str, holder: str) -> Problem:
    """409: another job has this unique key, and lives."""
    return Problem(
        409, "not-unique", f"unique: job {holder} has the key {unique!r}, and is not over",
        errors=[FieldError("unique", f"job {holder} has it")],
    )  # fmt: skip
