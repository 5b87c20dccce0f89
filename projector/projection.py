"""Read what is new on one journal stream, and apply it."""

import asyncio

from duestream.applying import Projected, apply_all
from duestream.group import Consumer, Raw
from duestream.keys import Keys
from duestream.lifecycle import unless_stopped
from duestream.server import LONGEST_BLOCK

BATCH = 2000  # entries: several of one entity are one write


class Projection:
    """A duty: one batch a round. An entry that was read and not applied is claimed by a `Recovery`, anybody's.

    The stop cuts off the wait for entries, and nothing else: what this projector was given is applied before it goes.
    """

    def __init__(self, consumer: Consumer, keys: Keys, projected: Projected, stop: asyncio.Event) -> None:
        self._consumer = consumer
        self._keys = keys
        self._projected = projected
        self._stop = stop
        self._reading: asyncio.Task[list[Raw]] | None = None

    async def once(self) -> None:
        await unless_stopped(asyncio.wait((self._read(),)), self._stop)
        if self._stop.is_set():
            await self._end()
            while batch := await self._consumer.held(count=BATCH):
                await self._apply(batch)
            return
        reading, self._reading = self._read(), None
        batch = reading.result()
        if len(batch) == BATCH:
            self._read()  # the next one comes while this one is applied
        if batch:
            await self._apply(batch)

    async def _apply(self, batch: list[Raw]) -> None:
        await apply_all(self._consumer.server, self._keys, self._projected, batch)

    def _read(self) -> "asyncio.Task[list[Raw]]":
        if self._reading is None:
            read = self._consumer.read(count=BATCH, block_ms=int(LONGEST_BLOCK * 1000))
            self._reading = asyncio.create_task(read)
        return self._reading

    async def _end(self) -> None:
        """Read no more."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            await asyncio.wait((reading,))
            if not reading.cancelled():
                reading.exception()
