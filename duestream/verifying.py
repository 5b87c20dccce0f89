"""Whether the read models, and the heads, equal a fold of the journal; while everything runs."""

from collections.abc import AsyncIterator

import msgspec

from duestream.applying import Projected
from duestream.changes import Change, model_of
from duestream.folding import Ahead, Fold, covers
from duestream.fresh import Freshness
from duestream.keys import Keys
from duestream.server import Server

STEP = 500
ROUNDS = 20


class Difference(msgspec.Struct, frozen=True):
    """One entity, and what is wrong with it."""

    kind: str
    shard: int
    id: str
    what: str


class Report(msgspec.Struct):
    """What a verification looked at, and what it found."""

    entries: int = 0
    entities: int = 0
    dead: int = 0
    differences: list[Difference] = []


class Standing(msgspec.Struct, frozen=True):
    """What Redis holds of one entity. places: the lists in which it stands."""

    model: dict[str, str]
    head: str | None
    places: list[str]
    due: float | None

    @property
    def rev(self) -> int:
        """The model's revision."""
        return _whole(self.model.get("rev", ""))

    @property
    def head_rev(self) -> int:
        return _whole((self.head or "").partition(" ")[0])


class Verification:
    """Of one kind in one shard."""

    def __init__(self, server: Server, keys: Keys, projected: Projected) -> None:
        self._server = server
        self._keys = keys
        self._projected = projected
        self._fold = Fold(server, keys, projected)
        self._fresh = Freshness(server, keys)

    async def run(self, report: Report) -> None:
        """Compare everything, and what differs again and again until it is settled: it may have changed meanwhile."""
        await self._fold.advance()
        await self._fresh.applied(self._projected.kind)
        suspects = set(self._fold.changes) | {id async for id in self._present()}
        report.entities += len(self._fold.live())
        for left in reversed(range(ROUNDS)):
            suspects = await self._compare(suspects, report if not left else None)
            if not suspects:
                break
            await self._fold.advance()
            await self._fresh.applied(self._projected.kind)
            settled = await self._settled(suspects)
            if settled:
                await self._compare(settled, report)
                suspects -= settled
        report.entries += self._fold.entries
        report.dead += self._fold.dead

    async def _compare(self, ids: set[str], report: Report | None) -> set[str]:
        """Those that differ; said in the report, if there is one."""
        differing: set[str] = set()
        ordered = sorted(ids)
        for start in range(0, len(ordered), STEP):
            chunk = ordered[start : start + STEP]
            standings = await self._standing(chunk)
            newer = {
                id
                for id, standing in zip(chunk, standings, strict=True)
                if max(standing.rev, standing.head_rev) > self._rev(id)
            }
            ahead = await self._fold.ahead(newer) if newer else Ahead({}, self._fold.cleared)
            for id, standing in zip(chunk, standings, strict=True):
                if what := self._differs(id, standing, ahead):
                    differing.add(id)
                    if report is not None:
                        report.differences.append(Difference(self._projected.kind, self._keys.shard, id, what))
        return differing

    async def _settled(self, ids: set[str]) -> set[str]:
        """Those whose head is where the fold is: no event is on its way that could explain a difference."""
        settled: set[str] = set()
        ordered = sorted(ids)
        for start in range(0, len(ordered), STEP):
            chunk = ordered[start : start + STEP]
            for id, standing in zip(chunk, await self._standing(chunk), strict=True):
                change = self._fold.changes.get(id)
                if standing.head_rev == (0 if change is None or change.gone or self._fold.covered(id) else change.rev):
                    settled.add(id)
        return settled

    async def _standing(self, ids: list[str]) -> list[Standing]:
        keys, kind = self._keys, self._projected.kind
        projected = self._projected
        places = projected.places(self._fold.changes.values())
        names = [keys.heads(kind), projected.due(keys), *projected.lists(keys, places)]
        names += (projected.model(keys, id) for id in ids)
        reply = await self._server.run("standing", names, [len(places), *places, *ids])
        return [
            Standing(
                dict(zip(flat[::2], flat[1::2], strict=True)), head or None, places.split(), float(due) if due else None
            )
            for flat, head, places, due in reply
        ]

    def _rev(self, id: str) -> int:
        """The fold's revision of an entity."""
        change = self._fold.changes.get(id)
        return 0 if change is None else change.rev

    def _differs(self, id: str, standing: Standing, ahead: Ahead) -> str:
        """What is wrong with an entity, seen from the journal as of the model's revision; "" if nothing is."""
        known = self._fold.changes.get(id)
        steps = ahead.steps.get(id) or ([] if known is None else [known])
        if not steps:
            return "the journal knows nothing of it"
        change = next((step for step in steps if step.rev >= standing.rev), steps[-1]) if standing.rev else steps[0]
        if covers(ahead.cleared, id):
            return ""  # what a clear covers is swept in its own time, and is not served
        expected = model_of(change)
        if change.gone:
            return _gone(standing, expected)
        if standing.model != expected:
            return _fields(standing.model, expected)
        if not steps[-1].gone and not change.rev <= standing.head_rev <= steps[-1].rev:
            return f"head is {standing.head!r}, journal is at revision {steps[-1].rev}"
        return _places(standing, change)

    async def _present(self) -> AsyncIterator[str]:
        """The ids of all models, and of all members of the list and the due set."""
        keys = self._keys
        prefix = self._projected.model(keys, "")
        pattern = prefix.replace("[", "\\[") + "*"
        async for name in self._server.client.scan_iter(match=pattern, count=STEP):
            yield name[len(prefix) :]
        places = self._projected.places(self._fold.changes.values())
        for zset in (*self._projected.lists(keys, places), self._projected.due(keys)):
            async for member, _ in self._server.client.zscan_iter(zset, count=STEP):
                yield member


def _whole(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _gone(standing: Standing, expected: dict[str, str]) -> str:
    if standing.head is not None:
        return f"deleted, but its head is {standing.head!r}"
    if standing.places or standing.due is not None:
        return "deleted, but still listed or due"
    if standing.model and standing.model != expected:  # it is kept for an hour
        return "deleted; " + _fields(standing.model, expected)
    return ""


def _places(standing: Standing, change: Change) -> str:
    if not standing.places:
        return "not in the list"
    if standing.places != [change.place]:
        return f"in the lists {' and '.join(standing.places)}, journal says {change.place}"
    if change.due is None and standing.due is not None:
        return "due, though nothing is outstanding"
    if change.due is not None and (standing.due is None or standing.due < change.due):
        return f"due at {standing.due}, journal says {change.due}"  # later is a scheduler's lease
    return ""


def _fields(model: dict[str, str], expected: dict[str, str]) -> str:
    if not model:
        return "no model"
    wrong = sorted(name for name in {*model, *expected} if model.get(name) != expected.get(name))
    return "; ".join(f"{name} is {model.get(name)!r}, journal says {expected.get(name)!r}" for name in wrong)
