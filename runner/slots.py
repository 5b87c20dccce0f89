"""What a runner has in hand: so many jobs at once, each with the entry of a ready stream by which it holds it."""

import asyncio
from collections.abc import Callable

import msgspec

from duestream import instants
from duestream.clock import now_ms
from duestream.events import Origin
from duestream.handlers import Context
from duestream.jobs import Work
from duestream.keys import Keys


class Ready(msgspec.Struct, frozen=True):
    """A job that may be started. entry: of the ready stream `queue` of a shard; work: a `Work` as JSON."""

    keys: Keys
    queue: str
    entry: str
    id: str
    attempt: int
    work: str


class Held(msgspec.Struct, eq=False):
    """A job that was started here. stop: set when its container is to be stopped; ended: its end is being written."""

    ready: Ready
    work: Work
    attempt: int
    context: Context
    stop: asyncio.Event | None = None
    task: asyncio.Task[None] | None = None
    ended: bool = False
    after: Callable[[], None] | None = None

    @property
    def id(self) -> str:
        return self.ready.id


class Slots:
    """Room for some jobs. What is taken in beyond it waits, under lease, until there is room."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.held: dict[str, Held] = {}
        self.waiting: dict[str, Ready] = {}  # by entry
        self._changed = asyncio.Event()

    @property
    def free(self) -> int:
        return max(0, self.size - len(self.held))

    async def room(self) -> None:
        """Wait until there is a free slot."""
        while not self.free:
            self._changed.clear()
            await self._changed.wait()

    async def empty(self) -> None:
        """Wait until nothing is in hand."""
        while self.held:
            self._changed.clear()
            await self._changed.wait()

    def hold(self, held: Held) -> None:
        self.held[held.id] = held

    def release(self, held: Held) -> None:
        """It is no longer in hand."""
        if self.held.get(held.id) is held:
            del self.held[held.id]
            self._changed.set()
            if held.after is not None:
                held.after()


def origin_of(runner: str) -> Origin:
    """What a runner does, it does now."""
    return Origin(at=instants.stamp_ms(now_ms()), by=runner)
