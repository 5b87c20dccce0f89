"""Bringing read models up to a batch of entries: pure functions say what changes, one script applies and acks."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from itertools import chain

import msgspec

from duestream import jobs, queues, tasks
from duestream.changes import Change, Cleared, fold
from duestream.events import Entry, Unreadable, entry_of
from duestream.group import PROJECTOR, Raw
from duestream.keys import Keys, Kind
from duestream.server import Server

log = logging.getLogger("duestream.applying")

LARGEST = 500  # entities in one script call: some ms
TOMBSTONE_MS = 3600 * 1000
MOST_DEAD = 1000  # names and values of a dead entry that are kept with its reason; the journal has it whole


class Projected(msgspec.Struct, frozen=True):
    """How one kind is projected: its pure function, and the keys of what that changes.

    places: the names of its lists, or of those in which some entities may stand; place_field: the models' field that
    tells in which one they do, "" where there is one list.
    """

    kind: Kind
    project: Callable[[Entry], Change | Cleared]
    model: Callable[[Keys, str], str]
    due: Callable[[Keys], str]
    places: Callable[[Iterable[Change]], Sequence[str]] = lambda _: ("list",)
    place_field: str = ""

    def lists(self, keys: Keys, places: Iterable[str]) -> list[str]:
        """The keys of some of its lists."""
        return [keys.listed(self.kind, place) for place in places]


TASKS = Projected(kind="tasks", project=tasks.project, model=Keys.task, due=Keys.due_tasks)
JOBS = Projected(
    kind="jobs",
    project=jobs.project,
    model=Keys.job,
    due=Keys.due_jobs,
    places=lambda _: jobs.STATUSES,
    place_field="status",
)
TOKENS = Projected(
    kind="tokens",
    project=queues.project,
    model=Keys.turn,
    due=Keys.due_tokens,
    places=queues.places,
    place_field="place",
)
PROJECTED: tuple[Projected, ...] = (TASKS, JOBS, TOKENS)


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


async def apply_all(server: Server, keys: Keys, projected: Projected, batch: Sequence[Raw]) -> None:
    """Apply a batch of any size, by script calls of LARGEST entities each, every entity's entries in one of them."""
    if len(batch) <= LARGEST:
        await apply(server, keys, projected, batch)
        return
    by_entity: dict[str, list[Raw]] = {}
    for raw in batch:
        by_entity.setdefault(raw[1][3] if len(raw[1]) > 3 else "", []).append(raw)
    entities = list(by_entity.values())
    parts = (chain.from_iterable(entities[start : start + LARGEST]) for start in range(0, len(entities), LARGEST))
    await asyncio.gather(*(apply(server, keys, projected, list(part)) for part in parts))


Template = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]  # names of facts, of state, of what has none


async def apply(server: Server, keys: Keys, projected: Projected, batch: Sequence[Raw]) -> int:
    """Apply a batch and acknowledge it, in one step; how many entities it made newer. May be repeated."""
    read = understand(projected, batch)
    for (entry, _), reason in read.dead:
        log.error("put an entry aside", extra={"entry": entry, "kind": projected.kind, "reason": reason})
    kind = projected.kind
    places = {place: n for n, place in enumerate(projected.places(read.changes.values()), 1)}
    names = [
        keys.journal(kind),
        keys.view(kind),
        projected.due(keys),
        keys.wake_applied(),
        keys.wake_due(),
        keys.dead(),
        keys.due_sweeps(),
        *projected.lists(keys, places),
        *(projected.model(keys, id) for id in read.changes),
    ]
    templates: dict[Template, int] = {}
    changes: list[str | int] = []
    for change in read.changes.values():
        changes += _flat(change, templates, places)
    args: list[str | bytes | int] = [PROJECTOR, kind, TOMBSTONE_MS, read.cleared, projected.place_field]
    args += [len(places), *places, len(templates)]
    for template in templates:
        args += [*map(len, template), *chain.from_iterable(template)]
    args += [len(read.changes), *changes, len(read.dead)]
    for (entry, fields), reason in read.dead:
        kept = fields[:MOST_DEAD]
        args += (entry, reason, len(kept), *kept)
    args += (entry for entry, _ in batch)
    newer: int = await server.run("apply", names, args)
    return newer


def _flat(change: Change, templates: dict[Template, int], places: dict[str, int]) -> list[str | int]:
    """A change as `apply` takes it; the names of its fields are in a template, which it shares with others."""
    names = ["rev"]
    values: list[str | int] = [change.rev]
    drops = []
    for name, value in change.state.items():
        if value is None:
            drops.append(name)
        else:
            names.append(name)
            values.append(value)
    if change.gone:
        names.append("gone")
        values.append("1")
    template = (tuple(change.facts), tuple(names), tuple(drops))
    return [
        change.id,
        change.rev,
        change.number,
        "" if change.due is None else change.due,
        0 if change.gone else places[change.place],
        templates.setdefault(template, len(templates) + 1),
        *change.facts.values(),
        *values,
    ]
