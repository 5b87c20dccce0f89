"""Batches of creations too large for one script call: taken in whole, then put on the journal chunk by chunk.

`begin` reserves its ids, puts the first chunk there and keeps the others, in one step; `advance` puts the next chunk
there and moves the mark, in one step. Whoever calls `advance`, each chunk is put there once; so a batch whose maker
died is finished by a scheduler, when its lease in `due:batches` has run out.
"""

import os
from collections.abc import Sequence
from typing import Any, cast

import msgspec

from duestream.errors import InFlight, KeyReused
from duestream.events import Event, data_of
from duestream.journal import BATCH_LEASE_MS, LARGEST_CALL, ONCE_MS, PATIENCE, Accepted, Command, Journal
from duestream.keys import Keys, Kind
from duestream.server import Server, pack


async def create_many(journal: Journal, command: Command) -> Accepted:
    """Create any number of entities, all or none; those whose ids are given must live in one shard.

    Raises what `Journal.append` raises, but does not look at unique keys where there are more than LARGEST_CALL.
    """
    if len(command.transitions) <= LARGEST_CALL:
        return await journal.append(command)
    given = command.transitions[0].id
    shard = journal.shard_of(given) if given else journal.shard_for(command.once)
    keys, kind, once = journal.shards[shard], journal.kind, command.once
    batch = f"{kind}.{os.urandom(8).hex()}"
    origin, shards = command.origin, len(journal.shards)
    steps: dict[type[Event], int] = {}
    queues: dict[str, int] = {}
    chunks: list[bytes] = []
    for start in range(0, len(command.transitions), LARGEST_CALL):
        creations: list[str | int] = []
        for each in command.transitions[start : start + LARGEST_CALL]:
            step = steps.setdefault(type(each.event), len(steps) + 1)
            is_ready = journal.steps[type(each.event)].ready
            queue = queues.setdefault(each.queue, len(queues) + 1) if is_ready else 0
            creations += (step, each.id, data_of(each.event).decode(), queue)
        chunks.append(pack(creations))
    numbered = 0 if given else len(command.transitions)
    once_record = once_key(keys, None if once is None else once.digest)
    ready = [keys.ready(queue) for queue in queues]
    names = [
        keys.ids(kind),
        keys.batch(batch),
        keys.due_batches(),
        once_record,
        keys.wake_due(),
        keys.journal(kind),
        keys.heads(kind),
        *ready,
    ]
    args: list[str | bytes | int] = [batch, BATCH_LEASE_MS, ONCE_MS]
    args += ["0", ""] if once is None else ["1", once.fingerprint]
    args += [command.memo, numbered, msgspec.json.encode([(each.type, journal.steps[each].to) for each in steps])]
    args += [origin.at, origin.by, origin.cause, origin.trace, keys.shard, shards, *chunks]
    said: list[Any] = msgspec.json.decode(await journal.server.run("begin", names, args, patience=PATIENCE))
    if said[0] == "reused":
        raise KeyReused
    if said[0] == "inflight":
        raise InFlight
    if said[0] == "begun":
        await _advance(journal.server, keys, batch, shards, once_record, ready)
        for each in command.transitions:
            type_ = each.event.type
            journal.tally.appended[type_] = journal.tally.appended.get(type_, 0) + 1
    first = int(said[2]) * shards + shard
    ids = [each.id or str(first + n * shards) for n, each in enumerate(command.transitions)]
    return Accepted(said[1], ids, [1] * len(ids), replayed=said[0] == "replay")


class Creations:
    """What one process creates of one kind. Of commands with one idempotency key it carries out one at a time."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._in_flight: set[str] = set()

    async def create(self, command: Command) -> Accepted:
        """As `create_many`. Raises InFlight while another command with the same key is under way here."""
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


async def finish(server: Server, keys: Keys, batch: str, shards: int) -> None:
    """Put every chunk that somebody left on the journal. A batch that has ended is no error."""
    stored: list[str] = await server.run("batch", [keys.batch(batch)], [], patience=PATIENCE)
    await _advance(server, keys, batch, shards, stored[0] or once_key(keys, None), stored[1:])


async def _advance(server: Server, keys: Keys, batch: str, shards: int, once_record: str, ready: Sequence[str]) -> None:
    kind = cast("Kind", batch.partition(".")[0])
    names = [
        keys.journal(kind),
        keys.heads(kind),
        keys.batch(batch),
        keys.due_batches(),
        once_record,
        keys.ids(kind),
        *ready,
    ]
    while await server.run("advance", names, [batch, keys.shard, shards, BATCH_LEASE_MS], patience=PATIENCE):
        pass


def once_key(keys: Keys, digest: str | None) -> str:
    return keys.once(digest or "none")
