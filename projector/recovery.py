"""Apply what a projector that died was given and did not get to."""

import asyncio
import logging

from duestream.applying import Projected, apply_all
from duestream.group import Consumer
from duestream.keys import Keys
from duestream.lifecycle import wait
from projector.projection import BATCH

log = logging.getLogger("duestream.projector")

IDLE_MS = 800  # a live projector applies a batch in a few ms; taking one from a slow one does no harm
FORGET_MS = 600_000


class Recovery:
    """A duty: look for such entries, then wait for about half the time after which an entry counts as left behind."""

    def __init__(self, consumer: Consumer, keys: Keys, projected: Projected, stop: asyncio.Event) -> None:
        self._consumer = consumer
        self._keys = keys
        self._projected = projected
        self._stop = stop

    async def once(self) -> None:
        while batch := await self._consumer.claim(idle_ms=IDLE_MS, count=BATCH):
            log.info("took over entries", extra={"entries": len(batch), "first": batch[0][0]})
            await apply_all(self._consumer.server, self._keys, self._projected, batch)
        await self._consumer.forget_idle(idle_ms=FORGET_MS)
        await wait(self._stop, IDLE_MS / 2000)
