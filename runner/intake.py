"""Take jobs from the ready streams of one shard, as many as there is room for."""

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.exceptions import ResponseError

from duestream.group import Consumer
from duestream.journal import RUNNERS
from duestream.keys import Keys
from duestream.lifecycle import unless_stopped
from duestream.server import LONGEST_BLOCK, Server
from runner.slots import Ready, Slots
from runner.starting import Starting

CHUNK = 500  # jobs


class Intake:
    """A duty: one chunk a round. What was read and not started when this process dies is taken over by another."""

    def __init__(
        self, server: Server, keys: Keys, queues: Sequence[str], slots: Slots, starting: Starting, name: str,
        stop: asyncio.Event, *, lease_ms: int,
    ) -> None:  # fmt: skip
        self._server = server
        self._keys = keys
        self._queues = {keys.ready(queue): queue for queue in queues}
        self._slots = slots
        self._starting = starting
        self._name = name
        self._stop = stop
        self._lease_ms = lease_ms

    async def join(self) -> None:
        """Make the groups, and the streams, where they are missing."""
        for stream in self._queues:
            await Consumer(self._server, stream, group=RUNNERS, name=self._name).join()

    async def once(self) -> None:
        if not self._slots.free and not await unless_stopped(self._slots.room(), self._stop):
            return
        chunk: list[Ready] = []

        async def read() -> None:
            chunk.extend(await self._read(min(CHUNK, max(1, self._slots.free // len(self._queues)))))

        await unless_stopped(read(), self._stop)
        await self.start(chunk)

    async def start(self, chunk: list[Ready]) -> None:
        """Start what was taken, as far as there is room, and the rest when there is.

        None once the stop has come, or where nothing can be worked on: then it is handed back.
        """
        waiting = self._slots.waiting
        waiting.update((ready.entry, ready) for ready in chunk)
        try:
            while chunk:
                if not self._slots.free and not await unless_stopped(self._slots.room(), self._stop):
                    break
                if self._stop.is_set() or not await self._starting.able():
                    break
                now, chunk = chunk[: self._slots.free], chunk[self._slots.free :]
                if now:
                    await self._starting.start(now)
                for ready in now:
                    waiting.pop(ready.entry, None)
        finally:
            for ready in chunk:
                waiting.pop(ready.entry, None)
        for stream, queue in self._queues.items():
            if entries := [ready.entry for ready in chunk if ready.queue == queue]:
                await hand_over(self._server, stream, self._name, entries, lease_ms=self._lease_ms)

    async def _read(self, count: int) -> list[Ready]:
        try:
            reply: Any = await self._server.call(
                "XREADGROUP", "GROUP", RUNNERS, self._name, "COUNT", count, "BLOCK", int(LONGEST_BLOCK * 1000),
                "STREAMS", *self._queues, *(">" for _ in self._queues),
            )  # fmt: skip
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            await self.join()  # the data was removed under us
            return []
        return [
            ready_of(self._keys, self._queues[stream], entry, fields)
            for stream, entries in reply or ()
            for entry, fields in entries
        ]


def ready_of(keys: Keys, queue: str, entry: str, fields: list[str]) -> Ready:
    """An entry of a ready stream."""
    return Ready(keys, queue, entry, fields[1], int(fields[3]), fields[5])


async def hand_over(server: Server, stream: str, name: str, entries: Sequence[str], *, lease_ms: int) -> None:
    """Let whoever looks next take entries that this runner holds; it counts as no loss."""
    await server.run("hand_over", [stream], [RUNNERS, name, lease_ms, *entries])
