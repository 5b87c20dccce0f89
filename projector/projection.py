"""Read what is new on one journal stream, and apply it."""

import asyncio

from duestream.applying import Projected, apply
from duestream.group import Consumer, Raw
from duestream.keys import Keys
from duestream.lifecycle import unless_stopped
from duestream.server import LONGEST_BLOCK
from projector.gaps import BATCH, close_gaps


class Projection:
    """A duty: one batch a round. What was read and is not applied, a `Recovery` applies, anybody's.

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

        if not await unless_stopped(read(), self._stop):
            upto = await self._consumer.delivered()
            await close_gaps(self._consumer, self._keys, self._projected, upto=upto)
        elif batch:
            await apply(self._consumer.server, self._keys, self._projected, batch)
