"""Whether the read models, and the heads, equal a fold of the journal; while everything runs."""

from collections.abc import AsyncIterator

import msgspec

from duestream.applying import Projected
from duestream.changes import Change, model_of
from duestream.folding import Fold
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
    """What Redis holds of one entity."""

    model: dict[str, str]
    head: str | None
    listed: bool
    due: float | None


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
            for id, standing in zip(chunk, await self._standing(chunk), strict=True):
                if what := self._differs(id, standing):
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
                rev = int(standing.head.split()[0]) if standing.head else 0
                if rev == (0 if change is None or change.gone or self._fold.covered(id) else change.rev):
                    settled.add(id)
        return settled

    async def _standing(self, ids: list[str]) -> list[Standing]:
        server, keys, kind = self._server, self._keys, self._projected.kind
        models = await server.run("hashes", [self._projected.model(keys, id) for id in ids], [])
        heads = await server.call("HMGET", keys.heads(kind), *ids)
        listed = await server.call("ZMSCORE", keys.listed(kind), *ids)
        due = await server.call("ZMSCORE", self._projected.due(keys), *ids)
        return [
            Standing(dict(zip(flat[::2], flat[1::2], strict=True)), head, place is not None, at)
            for flat, head, place, at in zip(models, heads, listed, due, strict=True)
        ]

    def _differs(self, id: str, standing: Standing) -> str:
        change = self._fold.changes.get(id)
        if change is None:
            return "the journal knows nothing of it"
        if self._fold.covered(id):
            return ""  # what a clear covers is swept in its own time, and is not served
        expected = model_of(change)
        if change.gone:
            return _gone(standing, expected)
        if standing.model != expected:
            return _fields(standing.model, expected)
        if standing.head is None or standing.head.split()[0] != str(change.rev):
            return f"head is {standing.head!r}, journal is at revision {change.rev}"
        return _places(standing, change)

    async def _present(self) -> AsyncIterator[str]:
        """The ids of all models, and of all members of the list and the due set."""
        keys, kind = self._keys, self._projected.kind
        prefix = self._projected.model(keys, "")
        pattern = prefix.replace("[", "\\[") + "*"
        async for name in self._server.client.scan_iter(match=pattern, count=STEP):
            yield name[len(prefix) :]
        for zset in (keys.listed(kind), self._projected.due(keys)):
            async for member, _ in self._server.client.zscan_iter(zset, count=STEP):
                yield member


def _gone(standing: Standing, expected: dict[str, str]) -> str:
    if standing.head is not None:
        return f"deleted, but its head is {standing.head!r}"
    if standing.listed or standing.due is not None:
        return "deleted, but still listed or due"
    if standing.model and standing.model != expected:  # it is kept for an hour
        return "deleted; " + _fields(standing.model, expected)
    return ""


def _places(standing: Standing, change: Change) -> str:
    if not standing.listed:
        return "not in the list"
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
