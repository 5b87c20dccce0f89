"""Reads that see acknowledged writes: waiting until the projector has come far enough, woken by it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from duestream.errors import Behind, Unavailable
from duestream.keys import Keys, Kind
from duestream.server import LONGEST_BLOCK, Server

PATIENCE = 2.0  # seconds

Seen = TypeVar("Seen")


class Freshness:
    """Of one shard. Listens to the projector's signal only while somebody waits."""

    def __init__(self, server: Server, keys: Keys) -> None:
        self._server = server
        self._keys = keys
        self._last = "0-0"
        self._signal = asyncio.Event()
        self._waiting = 0
        self._listener: asyncio.Task[None] | None = None

    async def until(self, read: Callable[[], Awaitable[Seen | None]]) -> Seen:
        """Repeat `read` with every batch that is projected, until it gives something. Raises Behind after a while."""
        found = await read()
        if found is not None:
            return found
        self._waiting += 1
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    signal = self._listen()
                    found = await read()  # the listener stands before this read, so no signal after it is missed
                    if found is not None:
                        return found
                    await signal.wait()
        except TimeoutError:
            raise Behind("the read models have not caught up with the journal") from None
        finally:
            self._waiting -= 1

    async def applied(self, kind: Kind) -> None:
        """Wait until every entry that stands in the stream now is applied. Raises Behind."""
        names = [self._keys.progress(kind), self._keys.journal(kind)]
        entry = ""

        async def finished() -> bool | None:
            nonlocal entry
            entry, done = await self._server.run("horizon", names, [entry])
            return True if done else None

        await self.until(finished)

    def _listen(self) -> asyncio.Event:
        if self._listener is None or self._listener.done():
            self._listener = asyncio.create_task(self._hear())
        return self._signal

    async def _hear(self) -> None:
        while self._waiting:
            try:
                reply = await self._server.call(
                    "XREAD",
                    "BLOCK",
                    int(LONGEST_BLOCK * 200),
                    "STREAMS",
                    self._keys.wake_applied(),
                    self._last,
                )
            except Unavailable:
                await asyncio.sleep(0.05)
                continue
            if reply:
                self._last = reply[0][1][-1][0]
                self._signal.set()
                self._signal = asyncio.Event()
