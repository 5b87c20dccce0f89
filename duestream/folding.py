"""A fold of one journal stream: what all read models must be, from nothing but the entries."""

from collections.abc import AsyncIterator

from duestream.applying import Projected, understand
from duestream.changes import Change, merge
from duestream.group import Raw
from duestream.keys import Keys
from duestream.server import Server

STEP = 1000


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
        async for batch in self._batches():
            read = understand(self._projected, batch)
            for id, change in read.changes.items():
                before = self.changes.get(id)
                self.changes[id] = change if before is None else merge(before, change)
            self.cleared = max(self.cleared, read.cleared)
            self.entries += len(batch)
            self.dead += len(read.dead)

    async def _batches(self) -> AsyncIterator[list[Raw]]:
        while True:
            batch: list[Raw] = await self._server.call(
                "XRANGE", self._keys.journal(self._projected.kind), f"({self.upto}", "+", "COUNT", STEP
            )
            if not batch:
                return
            self.upto = batch[-1][0]
            yield batch

    def covered(self, id: str) -> bool:
        """Whether a clear deleted it."""
        return bool(self.cleared) and id.isdigit() and int(id) <= self.cleared

    def live(self) -> dict[str, Change]:
        """The entities that exist."""
        return {id: change for id, change in self.changes.items() if not change.gone and not self.covered(id)}
