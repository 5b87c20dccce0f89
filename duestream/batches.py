"""Batches of creations too large for one script call: taken in whole, then put on the journal chunk by chunk.

`begin` stores the batch and reserves its ids in one step, `advance` puts the next chunk there and moves the mark in
one step. Whoever calls `advance`, each chunk is put there once; so a batch whose maker died is finished by a
scheduler, when its lease in `due:batches` has run out.
"""

import os
from typing import Any, cast

import msgspec

from duestream.errors import InFlight, KeyReused
from duestream.events import data_of
from duestream.journal import BATCH_LEASE_MS, LARGEST_CALL, ONCE_MS, PATIENCE, Accepted, Command, Journal
from duestream.keys import Keys, Kind
from duestream.server import Server


async def create_many(journal: Journal, command: Command) -> Accepted:
    """Create any number of entities by one type of event, all or none. Raises what `Journal.append` raises."""
    if len(command.transitions) <= LARGEST_CALL:
        return await journal.append(command)
    shard = journal.shard_for(command.once)
    keys, kind, once = journal.shards[shard], journal.kind, command.once
    batch = f"{kind}.{os.urandom(8).hex()}"
    event, origin = command.transitions[0].event, command.origin
    data = [data_of(each.event).decode() for each in command.transitions]
    chunks = [msgspec.json.encode(data[start : start + LARGEST_CALL]) for start in range(0, len(data), LARGEST_CALL)]
    names = [
        keys.ids(kind),
        keys.batch(batch),
        keys.due_batches(),
        once_key(keys, None if once is None else once.digest),
        keys.wake_due(),
    ]
    args: list[str | bytes | int] = [batch, BATCH_LEASE_MS, ONCE_MS]
    args += ["0", ""] if once is None else ["1", once.fingerprint]
    args += [command.memo, len(data), event.type, journal.steps[type(event)].to]
    args += [origin.at, origin.by, origin.cause, origin.trace, *chunks]
    said: list[Any] = msgspec.json.decode(await journal.server.run("begin", names, args, patience=PATIENCE))
    if said[0] == "reused":
        raise KeyReused
    if said[0] == "inflight":
        raise InFlight
    if said[0] == "begun":
        await finish(journal.server, keys, batch, len(journal.shards))
        journal.tally.appended[event.type] = journal.tally.appended.get(event.type, 0) + len(data)
    shards = len(journal.shards)
    first = int(said[2]) * shards + shard
    ids = [str(first + n * shards) for n in range(len(data))]
    return Accepted(said[1], ids, [1] * len(data), replayed=said[0] == "replay")


async def finish(server: Server, keys: Keys, batch: str, shards: int) -> None:
    """Put every chunk that is left on the journal. A batch that has ended is no error."""
    kind = cast("Kind", batch.partition(".")[0])
    once = await server.call("HGET", keys.batch(batch), "once", patience=PATIENCE)
    names = [
        keys.journal(kind),
        keys.heads(kind),
        keys.batch(batch),
        keys.due_batches(),
        once or once_key(keys, None),
        keys.ids(kind),
    ]
    while await server.run("advance", names, [batch, keys.shard, shards, BATCH_LEASE_MS], patience=PATIENCE):
        pass


def once_key(keys: Keys, digest: str | None) -> str:
    return keys.once(digest or "none")
