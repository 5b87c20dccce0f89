"""Bringing read models up to a batch of entries: pure functions say what changes, one script applies and accounts."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import cast

import msgspec

from duestream import job_models, jobs, queues, tasks
from duestream.changes import Change, Cleared, fold
from duestream.events import Entry, Unreadable, entry_of
from duestream.group import Raw
from duestream.keys import Keys, Kind
from duestream.server import Server, pack

log = logging.getLogger("duestream.applying")

LARGEST = 500  # entities in one script call: some ms
TOMBSTONE_MS = 3600 * 1000
MOST_DEAD = 1000  # names and values of a dead entry that are kept with its reason; the journal has it whole


class Projected(msgspec.Struct, frozen=True):
    """How one kind is projected: its pure function, and the keys of what that changes.

    places: the names of its lists, or of those in which some entities may stand; place_field: the models' field that
    tells in which one they do, "" where there is one list; batch: how many entries to read at once: many where an
    entity's follow one another closely, which are one write then.
    """

    kind: Kind
    project: Callable[[Entry], Change | Cleared]
    model: Callable[[Keys, str], str]
    due: Callable[[Keys], str]
    places: Callable[[Iterable[Change]], Sequence[str]] = lambda _: ("list",)
    place_field: str = ""
    batch: int = LARGEST

    def lists(self, keys: Keys, places: Iterable[str]) -> list[str]:
        """The keys of some of its lists."""
        return [keys.listed(self.kind, place) for place in places]


TASKS = Projected(kind="tasks", project=tasks.project, model=Keys.task, due=Keys.due_tasks)
JOBS = Projected(
    kind="jobs",
    project=job_models.project,
    model=Keys.job,
    due=Keys.due_jobs,
    places=lambda _: jobs.STATUSES,
    place_field="status",
    batch=2000,
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
    for raw in batch:
        try:
            change = projected.project(entry_of(*raw))
        except Unreadable as error:
            dead.append((raw, str(error)))
            continue
        if type(change) is Cleared:
            cleared = max(cleared, change.through)
        else:
            changes.append(cast("Change", change))
    return Read(fold(changes), cleared, dead)


async def apply(server: Server, keys: Keys, projected: Projected, batch: Sequence[Raw], *, stretch: bool = True) -> int:
    """Apply some entries of the journal; how many entities they made newer. May be repeated.

    stretch: they are consecutive, and are accounted for in the step that applies the last of them. Large batches take
    several steps.
    """
    read = understand(projected, batch)
    for (entry, _), reason in read.dead:
        log.error("put an entry aside", extra={"entry": entry, "kind": projected.kind, "reason": reason})
    changes = list(read.changes.values())
    parts = [changes[start : start + LARGEST] for start in range(0, len(changes), LARGEST)]
    last: list[str | int] = [len(read.dead)]
    for (entry, fields), reason in read.dead:
        kept = fields[:MOST_DEAD]
        last += (entry, reason, len(kept), *kept)
    if stretch:
        last += (batch[0][0], batch[-1][0], len(batch))
    if len(parts) <= 1:
        return await _apply(server, keys, projected, changes, read.cleared, last)
    newer = sum(await asyncio.gather(*(_apply(server, keys, projected, part, read.cleared, [0]) for part in parts)))
    return newer + await _apply(server, keys, projected, [], read.cleared, last)


async def _apply(
    server: Server, keys: Keys, projected: Projected, changed: Sequence[Change], cleared: int, last: Sequence[str | int]
) -> int:
    """One script call. last: the arguments that follow the changes."""
    kind = projected.kind
    places = {place: n for n, place in enumerate(projected.places(changed), 1)}
    names = [
        keys.journal(kind),
        keys.progress(kind),
        keys.view(kind),
        projected.due(keys),
        keys.wake_applied(),
        keys.wake_due(),
        keys.dead(),
        keys.due_sweeps(),
        *projected.lists(keys, places),
        *(projected.model(keys, change.id) for change in changed),
    ]
    templates: dict[Template, int] = {}
    changes: list[str | int] = []
    for change in changed:
        changes += _flat(change, templates, places)
    args: list[str | int] = [kind, TOMBSTONE_MS, cleared, projected.place_field]
    args += [len(places), *places, len(templates)]
    for rev, place, *fields in templates:
        args += [str(rev), place, *map(len, fields), *chain.from_iterable(fields)]
    args += [len(changed), *changes, *last]
    newer: int = await server.run("apply", names, [pack(args)])
    return newer


Names = tuple[str, ...]
Template = tuple[int, int, Names, Names, Names]  # revision, list (0: gone), names of facts, of state, of what has none


def _flat(change: Change, templates: dict[Template, int], places: dict[str, int]) -> list[str | int]:
    """A change as `apply` takes it: what others have too is in a template."""
    state = change.state
    if change.gone:
        state = {**state, "gone": "1"}
    without: Names = ()
    if None in state.values():
        without = (*(name for name, value in state.items() if value is None),)
        state = {name: value for name, value in state.items() if value is not None}
    place = 0 if change.gone else places[change.place]
    template = (change.rev, place, (*change.facts,), (*state,), without)
    return [
        change.id,
        str(change.number),
        "" if change.due is None else str(change.due),
        templates.setdefault(template, len(templates) + 1),
        *change.facts.values(),
        *cast("Iterable[str]", state.values()),
    ]
