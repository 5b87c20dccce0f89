"""A fold of one journal stream: what all read models must be, from nothing but the entries."""

from collections.abc import AsyncIterator

import msgspec

from duestream.applying import Projected, understand
from duestream.changes import Change, merge
from duestream.group import Raw
from duestream.keys import Keys
from duestream.server import Server

STEP = 1000


class Ahead(msgspec.Struct):
    """Entities after each of their events, from the fold on, and the highest clear."""

    steps: dict[str, list[Change]]
    cleared: int


class Fold:
    """Of one kind in one shard, as far as it was read."""

    def __init__(self, server: Server, keys: Keys, projected: Projected) -> None:
        self._server = server
        self._keys = keys
        self._projected = projected
        self.changes: dict[str, Change] = {}
        self.cleared = 0
        self.entries = 0
        self.dead = 0
        self.upto = "0-0"

    async def advance(self) -> None:
        """Take in everything up to the stream's end."""
        async for batch in self._batches(self.upto):
            self.upto = batch[-1][0]
            read = understand(self._projected, batch)
            for id, change in read.changes.items():
                before = self.changes.get(id)
                self.changes[id] = change if before is None else merge(before, change)
            self.cleared = max(self.cleared, read.cleared)
            self.entries += len(batch)
            self.dead += len(read.dead)

    async def ahead(self, ids: set[str]) -> "Ahead":
        """What became of some entities since; the fold stays where it is."""
        ahead = Ahead({id: [self.changes[id]] if id in self.changes else [] for id in ids}, self.cleared)
        async for batch in self._batches(self.upto):
            for raw in batch:
                read = understand(self._projected, [raw])
                for id, change in read.changes.items():
                    if id in ids:
                        steps = ahead.steps[id]
                        steps.append(merge(steps[-1], change) if steps else change)
                ahead.cleared = max(ahead.cleared, read.cleared)
        return ahead

    async def _batches(self, after: str) -> AsyncIterator[list[Raw]]:
        journal = self._keys.journal(self._projected.kind)
        while batch := await self._server.call("XRANGE", journal, f"({after}", "+", "COUNT", STEP):
            after = batch[-1][0]
            yield batch

    def covered(self, id: str) -> bool:
        """Whether a clear deleted it."""
        return covers(self.cleared, id)

    def live(self) -> dict[str, Change]:
        """The entities that exist."""
        return {id: change for id, change in self.changes.items() if not change.gone and not self.covered(id)}


def covers(cleared: int, id: str) -> bool:
    """Whether a clear up to `cleared` deletes an entity."""
    return bool(cleared) and id.isdigit() and int(id) <= cleared
