"""Read what is new on one journal stream, and apply it."""

import asyncio

from duestream.applying import Projected, apply
from duestream.group import Consumer, Raw
from duestream.keys import Keys
from duestream.lifecycle import unless_stopped
from duestream.server import LONGEST_BLOCK

BATCH = 500  # entries: one script call of a few ms


class Projection:
    """A duty: one batch a round. An entry that was read and not applied is claimed by a `Recovery`, anybody's.

    The stop cuts off the wait for entries, and nothing else: what this projector was given is applied before it goes.
    """

    def __init__(self, consumer: Consumer, keys: Keys, projected: Projected, stop: asyncio.Event) -> None:
        self._consumer = consumer
        self._keys = keys
        self._projected = projected
        self._stop = stop

    async def once(self) -> None:
        batch: list[Raw] = []

        async def read() -> None:
            batch.extend(await self._consumer.read(count=BATCH, block_ms=int(LONGEST_BLOCK * 1000)))

        await unless_stopped(read(), self._stop)
        if self._stop.is_set():
            batch = await self._consumer.held(count=BATCH)
        if batch:
            await apply(self._consumer.server, self._keys, self._projected, batch)
