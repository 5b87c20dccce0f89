"""Apply what a projector that died was given and did not get to."""

import asyncio
import time
from collections import deque

from duestream.applying import Projected
from duestream.group import Consumer
from duestream.keys import Keys
from duestream.lifecycle import wait
from projector.gaps import close_gaps

IDLE = 0.8  # seconds; a live projector applies a batch in a few ms; doing the work of a slow one again does no harm
FORGET_MS = 600_000


class Recovery:
    """A duty: look for entries that were given to somebody a while ago and are not applied, and wait for half of it.

    When an entry was given to whom is not on record: a look notes how far the group was given entries, and what a look
    of a while ago noted must be applied by now.
    """

    def __init__(self, consumer: Consumer, keys: Keys, projected: Projected, stop: asyncio.Event) -> None:
        self._consumer = consumer
        self._keys = keys
        self._projected = projected
        self._stop = stop
        self._looks: deque[tuple[float, str]] = deque()  # when, and the last entry that had been given to somebody

    async def once(self) -> None:
        now = time.monotonic()
        if delivered := await self._consumer.delivered():
            self._looks.append((now, delivered))
        while len(self._looks) > 1 and self._looks[1][0] <= now - IDLE:
            self._looks.popleft()
        if self._looks and self._looks[0][0] <= now - IDLE:
            await close_gaps(self._consumer, self._keys, self._projected, upto=self._looks[0][1])
        await self._consumer.forget_idle(idle_ms=FORGET_MS)
        await wait(self._stop, IDLE / 2)
