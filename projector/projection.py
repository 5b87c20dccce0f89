"""Read what is new on one journal stream, and apply it."""

import asyncio

from duestream.applying import Projected, apply
from duestream.group import Consumer
from duestream.keys import Keys
from duestream.lifecycle import unless_stopped
from duestream.server import LONGEST_BLOCK

BATCH = 500  # entries: one script call of a few ms


class Projection:
    """A duty: one batch a round. An entry that was read and not applied is claimed by a `Recovery`, anybody's."""

    def __init__(self, consumer: Consumer, keys: Keys, projected: Projected, stop: asyncio.Event) -> None:
        self._consumer = consumer
        self._keys = keys
        self._projected = projected
        self._stop = stop

    async def once(self) -> None:
        await unless_stopped(self._round(), self._stop)

    async def _round(self) -> None:
        batch = await self._consumer.read(count=BATCH, block_ms=int(LONGEST_BLOCK * 1000))
        if batch:
            await apply(self._consumer.server, self._keys, self._projected, batch)
