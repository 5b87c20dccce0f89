"""Remove, a little at a time, what a deletion of everything left behind: it marks how far it reaches, no more."""

import logging
from typing import cast

from duestream.applying import PROJECTED
from duestream.keys import Keys, Kind
from duestream.server import Server
from scheduler.due import Taken, settle

log = logging.getLogger("duestream.sweeps")

STEP = 500


class Sweeps:
    """Handles what is due in `due:sweeps` of one shard. Repeating a sweep, or two at once, does no harm."""

    def __init__(self, server: Server, keys: Keys) -> None:
        self._server = server
        self._keys = keys

    async def sweep(self, taken: Taken) -> None:
        """Sweep some kinds, whole."""
        for member in taken.due:
            kind = cast("Kind", member)
            models = await self._models(kind)
            await self._heads(kind)
            log.info("swept", extra={"kind": kind, "models": models})
        await settle(self._server, self._keys.due_sweeps(), taken, list(taken.due))

    async def _models(self, kind: Kind) -> int:
        server, keys = self._server, self._keys
        projected = next(each for each in PROJECTED if each.kind == kind)
        removed = 0
        while ids := await server.run("covered", [keys.listed(kind), keys.view(kind)], [STEP]):
            names = [keys.listed(kind), projected.due(keys), keys.view(kind)]
            removed += await server.run("sweep", [*names, *(projected.model(keys, id) for id in ids)], ids)
        return removed

    async def _heads(self, kind: Kind) -> None:
        cursor = "0"
        while True:
            cursor = await self._server.run(
                "sweep_heads", [self._keys.heads(kind), self._keys.ids(kind)], [cursor, STEP]
            )
            if cursor == "0":
                return
