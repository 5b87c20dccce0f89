"""Bringing read models up to a batch of entries: pure functions say what changes, one script applies and acks."""

import logging
from collections.abc import Callable, Sequence

import msgspec

from duestream import tasks
from duestream.changes import Change, Cleared, fold
from duestream.events import Entry, Unreadable, entry_of
from duestream.group import PROJECTOR, Raw
from duestream.keys import Keys, Kind
from duestream.server import Server

log = logging.getLogger("duestream.applying")

TOMBSTONE_MS = 3600 * 1000
MOST_DEAD = 1000  # names and values of a dead entry that are kept with its reason; the journal has it whole


class Projected(msgspec.Struct, frozen=True):
    """How one kind is projected: its pure function, and the keys of what that changes."""

    kind: Kind
    project: Callable[[Entry], Change | Cleared]
    model: Callable[[Keys, str], str]
    due: Callable[[Keys], str]


TASKS = Projected(kind="tasks", project=tasks.project, model=Keys.task, due=Keys.due_tasks)
PROJECTED: tuple[Projected, ...] = (TASKS,)


class Read(msgspec.Struct, frozen=True):
    """A batch of entries, understood: changes by entity, the highest clear, and what makes no sense and why."""

    changes: dict[str, Change]
    cleared: int
    dead: list[tuple[Raw, str]]


def understand(projected: Projected, batch: Sequence[Raw]) -> Read:
    """What a batch of entries does to the read models."""
    changes: list[Change] = []
    cleared = 0
    dead: list[tuple[Raw, str]] = []
    for entry, fields in batch:
        try:
            change = projected.project(entry_of(entry, fields))
        except Unreadable as error:
            dead.append(((entry, fields), str(error)))
            continue
        if isinstance(change, Cleared):
            cleared = max(cleared, change.through)
        else:
            changes.append(change)
    return Read(fold(changes), cleared, dead)


async def apply(server: Server, keys: Keys, projected: Projected, batch: Sequence[Raw]) -> int:
    """Apply a batch and acknowledge it, in one step; how many entities it made newer. May be repeated."""
    read = understand(projected, batch)
    for (entry, _), reason in read.dead:
        log.error("put an entry aside", extra={"entry": entry, "kind": projected.kind, "reason": reason})
    kind = projected.kind
    names = [
        keys.journal(kind),
        keys.view(kind),
        keys.listed(kind),
        projected.due(keys),
        keys.wake_applied(),
        keys.wake_due(),
        keys.dead(),
        keys.due_sweeps(),
        *(projected.model(keys, id) for id in read.changes),
    ]
    args: list[str | bytes | int] = [PROJECTOR, kind, TOMBSTONE_MS, read.cleared, len(read.changes)]
    for change in read.changes.values():
        args += flat(change)
    args.append(len(read.dead))
    for (entry, fields), reason in read.dead:
        kept = fields[:MOST_DEAD]
        args += (entry, reason, len(kept), *kept)
    args += (entry for entry, _ in batch)
    newer: int = await server.run("apply", names, args)
    return newer


def flat(change: Change) -> list[str | int]:
    """A change as `apply` takes it."""
    state: list[str | int] = ["rev", change.rev]
    drops = []
    for name, value in change.state.items():
        if value is None:
            drops.append(name)
        else:
            state += (name, value)
    if change.gone:
        state += ("gone", "1")
    args: list[str | int] = [
        change.id,
        change.rev,
        "" if change.number is None else change.number,
        "" if change.due is None else change.due,
        1 if change.gone else 0,
        len(change.facts),
        len(state) // 2,
        len(drops),
    ]
    for name, fact in change.facts.items():
        args += (name, fact)
    return [*args, *state, *drops]
