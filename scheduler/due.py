"""Sleep until something in a due set falls due, and have it dealt with.

An entry is taken by a lease, its score moved ahead, in one step with finding it; so two schedulers do not work on the
same one, and one whose scheduler died comes up again when the lease has run out. Nobody can be woken too late: `take`
tells the last signal that it saw, and the wait is for a signal after that one. The time is kept here, not by a time
limit on the command that listens: Redis ends a blocked command up to 100 ms late.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from duestream.errors import Unavailable
from duestream.keys import Keys
from duestream.lifecycle import unless_stopped
from duestream.server import LONGEST_BLOCK, Server

LEASE_MS = 5000
CHUNK = 200


class Taken(msgspec.Struct, frozen=True):
    """Due entries under lease. now, lease: ms by Redis' clock; due: ms by member, the time that it was set to."""

    now: int
    lease: int
    due: dict[str, int]


Handle = Callable[[Taken], Awaitable[None]]


class DueSet:
    """A duty: take what is due in one set and handle it, or sleep until the next entry's time or an earlier one's."""

    def __init__(
        self,
        server: Server,
        keys: Keys,
        due: str,
        handle: Handle,
        stop: asyncio.Event,
        *,
        lease_ms: int = LEASE_MS,
        chunk: int = CHUNK,
    ) -> None:
        self._server = server
        self._keys = keys
        self._due = due
        self._handle = handle
        self._stop = stop
        self._lease_ms = lease_ms
        self._chunk = chunk
        self._listening: asyncio.Task[Any] | None = None

    async def once(self) -> None:
        reply = await self._server.run("take", [self._due, self._keys.wake_due()], [self._chunk, self._lease_ms])
        now, following, signal = int(reply[0]), int(float(reply[1])), reply[2]
        taken = dict(zip(reply[3::2], (int(float(due)) for due in reply[4::2]), strict=True))
        if taken:
            await self._handle(Taken(now, now + self._lease_ms, taken))
            return
        await self._sleep(None if following < 0 else following - now, signal)

    async def _sleep(self, ms: int | None, signal: str) -> None:
        listening = self._listen(signal)
        seconds = None if ms is None else max(ms, 1) / 1000
        await unless_stopped(asyncio.wait((listening,), timeout=seconds), self._stop)
        if self._stop.is_set():
            with contextlib.suppress(Unavailable):
                await unless_stopped(listening, self._stop)
        elif listening.done():
            listening.result()

    def _listen(self, signal: str) -> "asyncio.Task[Any]":
        """The command that ends with a signal after this one. One that still listens has not heard of any later."""
        if self._listening is not None and self._listening.done() and not self._listening.cancelled():
            self._listening.exception()  # it ended while nobody slept; the next one meets what it met
        if self._listening is None or self._listening.done():
            block = int(LONGEST_BLOCK * 1000)
            self._listening = asyncio.create_task(
                self._server.call("XREAD", "BLOCK", block, "STREAMS", self._keys.wake_due(), signal)
            )
        return self._listening


async def settle(server: Server, due: str, taken: Taken, members: list[str]) -> None:
    """Remove entries that were dealt with, unless they were given another time meanwhile."""
    if members:
        await server.run("settle", [due], [taken.lease, *members])
