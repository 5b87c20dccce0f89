"""Read what is new on one journal stream, and apply it."""

import asyncio

from duestream.applying import Projected, apply
from duestream.group import Consumer, Raw
from duestream.keys import Keys
from duestream.lifecycle import unless_stopped
from duestream.server import LONGEST_BLOCK
from projector.gaps import close_gaps


class Projection:
    """A duty: one batch a round. What was read and is not applied, a `Recovery` applies, anybody's.

    Where there is more, it is asked for before the batch is applied: with several projectors, a read that stands
    behind another's batch would have them all wait for the server at once, and then all work at once.

    The stop cuts off the wait for entries, and nothing else: what this projector was given is applied before it goes.
    """

    def __init__(self, consumer: Consumer, keys: Keys, projected: Projected, stop: asyncio.Event) -> None:
        self._consumer = consumer
        self._keys = keys
        self._projected = projected
        self._stop = stop
        self._reading: asyncio.Task[list[Raw]] | None = None

    async def once(self) -> None:
        reading, self._reading = self._reading or self._read(), None
        if await unless_stopped(reading, self._stop):
            batch = reading.result()
            if len(batch) == self._projected.batch:
                self._reading = self._read()
                await asyncio.sleep(0)  # it is on its way
            if batch:
                await apply(self._consumer.server, self._keys, self._projected, batch)
        if self._stop.is_set():
            if self._reading is not None:
                await unless_stopped(self._reading, self._stop)
            upto = await self._consumer.delivered()
            await close_gaps(self._consumer, self._keys, self._projected, upto=upto)

    def _read(self) -> asyncio.Task[list[Raw]]:
        return asyncio.create_task(self._consumer.read(count=self._projected.batch, block_ms=int(LONGEST_BLOCK * 1000)))
