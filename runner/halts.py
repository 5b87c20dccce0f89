"""Stop working on what was canceled.

A cancellation may be heard of before the answer to the start that it follows; so it is kept for what is being started.
"""

import asyncio
import logging

from duestream.jobs import CANCELING
from duestream.keys import Keys
from duestream.lifecycle import unless_stopped
from duestream.server import LONGEST_BLOCK, Server
from runner.slots import Held, Slots

log = logging.getLogger("duestream.runner")


class Halts:
    """A duty: listen to the signal of one shard. A signal that was missed is met when the end is refused."""

    def __init__(self, server: Server, keys: Keys, slots: list[Slots], stop: asyncio.Event) -> None:
        self._server = server
        self._stream = keys.halt("jobs")
        self._slots = slots
        self._stop = stop
        self._last = ""

    async def join(self) -> None:
        """Begin to listen here; before the first job is taken."""
        last = await self._server.call("XREVRANGE", self._stream, "+", "-", "COUNT", 1)
        self._last = last[0][0] if last else "0-0"

    async def once(self) -> None:
        async def listen() -> None:
            block = int(LONGEST_BLOCK * 1000)
            reply = await self._server.call("XREAD", "COUNT", 1000, "BLOCK", block, "STREAMS", self._stream, self._last)
            for _, batch in reply or ():
                for entry, fields in batch:
                    self._last = entry
                    self._halt(fields[1], fields[3], int(fields[5]))

        await unless_stopped(listen(), self._stop)

    def _halt(self, id: str, status: str, attempt: int) -> None:
        for slots in self._slots:
            held = slots.held.get(id)
            if held is not None and held.attempt == attempt:
                halt(slots, held, status)
            else:
                slots.halted(id, attempt, status)


def halt(slots: Slots, held: Held, status: str) -> None:
    """Stop working on a job, or on its container; what else is said of it has no effect."""
    if held.ended:
        return
    log.info("canceled", extra={"id": held.id, "attempt": held.attempt})
    held.context.cancel()
    if status == CANCELING and held.stop is not None:
        held.stop.set()
    elif held.task is not None:
        held.ended = True
        held.task.cancel()
        slots.release(held)
