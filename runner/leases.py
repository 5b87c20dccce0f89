"""Leases on the entries of one ready stream: kept while their jobs are worked on, and those of dead runners taken over.

what may happen                              what becomes of the job
a runner dies                                its entries grow idle; another takes them over as the next attempt
a runner is cut off and comes back           its entries are another's: it stops, and what it writes is refused
it dies between taking an entry and a start  the job is started by whoever takes the entry over
the answer to its reading was lost           the same: it holds what it does not know of, and does not renew it
a job loses one runner after the other       it fails
"""

import asyncio
import logging
import time
from collections.abc import Sequence

from redis.exceptions import ResponseError

from duestream.journal import RUNNERS
from duestream.keys import Keys
from duestream.lifecycle import wait
from duestream.server import Server
from runner.intake import hand_over, ready_of
from runner.slots import Held, Ready, Slots
from runner.starting import Starting

log = logging.getLogger("duestream.runner")

AT_ONCE = 100  # entries
FORGET_MS = 600_000  # after which a runner that is gone is no longer one of the group


class Leases:
    """A duty: renew what is in hand, look for what was left, then wait for a third of the lease."""

    def __init__(
        self, server: Server, keys: Keys, queue: str, slots: Slots, starting: Starting, name: str,
        intake_stop: asyncio.Event, stop: asyncio.Event, *, lease_ms: int,
    ) -> None:  # fmt: skip
        self._server = server
        self._keys = keys
        self._queue = queue
        self._stream = keys.ready(queue)
        self._slots = slots
        self._starting = starting
        self._name = name
        self._intake_stop = intake_stop
        self._stop = stop
        self._lease_ms = lease_ms
        self._forget_at = 0.0

    async def once(self) -> None:
        await self.renew()
        await self.recover()
        if time.monotonic() > self._forget_at:
            await self._server.run("forget", [self._stream], [RUNNERS, FORGET_MS])
            self._forget_at = time.monotonic() + FORGET_MS / 1000
        await wait(self._stop, self._lease_ms / 3000)

    async def renew(self) -> None:
        """Keep what is in hand; stop working on what is another's now."""
        mine = {held.ready.entry: held for held in self._held() if not held.left}
        waiting = [entry for entry, ready in self._slots.waiting.items() if self._is_here(ready.keys, ready.queue)]
        if not mine and not waiting:
            return
        lost = await self._server.run("renew", [self._stream], [RUNNERS, self._name, *mine, *waiting])
        for entry in lost:
            held = mine.get(entry)
            if held is not None and not held.ended and held.task is not None:
                log.warning("lost a job", extra={"id": held.id, "attempt": held.attempt})
                held.ended, held.after = True, None  # its container is another's now
                held.context.cancel()
                held.task.cancel()
                self._slots.release(held)

    async def recover(self) -> None:
        """Take over entries whose runner gave no sign of life for a lease, as far as there is room."""
        cursor = "0"
        while self._slots.free and not self._intake_stop.is_set() and await self._starting.able():
            cursor, chunk = await self._claim(cursor, min(AT_ONCE, self._slots.free))
            chunk = [ready for ready in chunk if ready.id not in self._slots.held]
            left = await self._starting.start(chunk) if chunk else []
            if left:
                losses = await self._losses([ready for ready, _ in left])
                await self._starting.take_over([(*each, lost) for each, lost in zip(left, losses, strict=True)])
            if cursor == "0-0":
                return

    async def _claim(self, cursor: str, count: int) -> tuple[str, list[Ready]]:
        """Entries that were idle for a lease, and where to go on: Redis looks at some of them at a time."""
        try:
            reply = await self._server.call(
                "XAUTOCLAIM", self._stream, RUNNERS, self._name, self._lease_ms, cursor, "COUNT", count
            )
        except ResponseError as error:
            if "NOGROUP" in str(error):
                return "0-0", []
            raise
        return reply[0], [
            ready_of(self._keys, self._queue, entry, fields) for entry, fields in reply[1] if fields is not None
        ]

    async def _losses(self, taken: Sequence[Ready]) -> list[int]:
        """How many runners were given each entry before this one."""
        entries = [ready.entry for ready in taken]
        deliveries = await self._server.run("deliveries", [self._stream], [RUNNERS, *entries])
        return [int(count) - 1 if count else 1 for count in deliveries]

    async def hand_over(self) -> None:
        """Let whoever looks next take what goes on without this runner, at once."""
        if entries := [held.ready.entry for held in self._held() if held.left]:
            await hand_over(self._server, self._stream, self._name, entries, lease_ms=self._lease_ms)

    def _held(self) -> list[Held]:
        return [held for held in self._slots.held.values() if self._is_here(held.ready.keys, held.ready.queue)]

    def _is_here(self, keys: Keys, queue: str) -> bool:
        return keys.shard == self._keys.shard and queue == self._queue
