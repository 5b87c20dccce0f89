"""Taking jobs in: one by itself, or many, all or none."""

import hashlib
import os
from collections.abc import Sequence

import msgspec

from api.problems import FieldError, Problem
from duestream.batches import Creations
from duestream.clock import now_ms
from duestream.errors import KeyReused, Refused
from duestream.events import Origin, Transition
from duestream.ids import Ids, low_for, sequence
from duestream.jobs import JobScheduled, JobSubmitted, ready_queue
from duestream.journal import ONCE_MS, PATIENCE, Command, Journal, Once


class Taken(msgspec.Struct, frozen=True):
    """Jobs that were taken in. at: when, as `instants.stamp`; the first time, where this is a replay."""

    at: str
    ids: list[str]
    replayed: bool


class Submissions:
    """The writing side of one process: it makes ids, and puts jobs on the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._shards = len(journal.shards)
        self._ids = Ids()
        self._creations = Creations(self._journal)

    async def submit(self, source: Origin, events: Sequence[JobSubmitted | JobScheduled], once: Once | None) -> Taken:
        """Take jobs in; with a unique key only one by itself. Raises Problem 409 where the key's holder lives."""
        unique = events[0].unique if len(events) == 1 else ""
        shard = self._shard(unique, once)
        low = None if shard is None else low_for(shard, self._shards, int.from_bytes(os.urandom(4), "big"))
        ids = self._ids.make(now_ms(), len(events), low=low)
        transitions = [
            Transition(event, id, 0, 0, unique, ready_queue(event)) for event, id in zip(events, ids, strict=True)
        ]
        elsewhere = once is not None and shard != self._journal.shard_for(once)
        if once is not None and elsewhere:
            await self._note(once)
        try:
            accepted = await self._creations.create(Command(source, transitions, once, memo=f"{source.at} {ids[0]}"))
        except Refused as refusal:
            if once is not None and elsewhere:
                await self._journal.server.call("DEL", self._home(once))
            if not refusal.holder:
                raise
            raise taken(unique, refusal.holder) from None
        at, _, first = accepted.memo.partition(" ")
        return Taken(at, sequence(first, len(ids)) if accepted.replayed else ids, accepted.replayed)

    async def _note(self, once: Once) -> None:
        """Where an idempotency key is looked for, say that it was used, since its unique key leads elsewhere.

        Raises KeyReused where it came with another payload.
        """
        server, home = self._journal.server, self._home(once)
        note = msgspec.json.encode([once.fingerprint, "elsewhere"])
        await server.call("SET", home, note, "NX", "PX", ONCE_MS, patience=PATIENCE)
        known = await server.call("GET", home, patience=PATIENCE)
        if known is not None and msgspec.json.decode(known)[0] != once.fingerprint:
            raise KeyReused

    def _home(self, once: Once) -> str:
        return self._journal.shards[self._journal.shard_for(once)].once(once.digest)

    def _shard(self, unique: str, once: Once | None) -> int | None:
        """Where jobs go, so that those who must meet do so in one shard; None: it does not matter."""
        if unique:
            return int(hashlib.sha256(unique.encode()).hexdigest()[:8], 16) % self._shards
        return None if once is None else self._journal.shard_for(once)


def taken(unique: str, holder: str) -> Problem:
    """409: another job has this unique key, and lives."""
    return Problem(
        409, "not-unique", f"unique: job {holder} has the key {unique!r}, and is not over",
        errors=[FieldError("unique", f"job {holder} has it")],
    )  # fmt: skip
