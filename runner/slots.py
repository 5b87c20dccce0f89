"""What a runner has in hand: so many jobs at once, each with the entry of a ready stream by which it holds it."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator

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
    """A job that was started here.

    stop: set when its container is to be stopped; ended: its end is being written, or another's affair; left: it goes
    on without this runner; after: called once its end is on the journal.
    """

    ready: Ready
    work: Work
    attempt: int
    context: Context
    stop: asyncio.Event | None = None
    task: asyncio.Task[None] | None = None
    ended: bool = False
    left: bool = False
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
        self._starting: dict[tuple[str, int], str] = {}  # id and attempt -> the status to which it was halted, or ""
        self._shut = False
        self._changed = asyncio.Event()

    @property
    def free(self) -> int:
        return 0 if self._shut else max(0, self.size - len(self.held) - len(self._starting))

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

    def shut(self, shut: bool) -> None:
        """Whether there is no room for anything, however much is free."""
        self._shut = shut
        self._changed.set()

    @contextlib.contextmanager
    def starting(self, attempts: Iterable[tuple[str, int]]) -> Iterator[None]:
        """Keep room for attempts (of which job, which number) while their starts are being written."""
        attempts = list(attempts)
        self._starting.update((attempt, "") for attempt in attempts)
        try:
            yield
        finally:
            for attempt in attempts:
                self._starting.pop(attempt, None)
            self._changed.set()

    def halted(self, id: str, attempt: int, status: str = "") -> str:
        """The status to which an attempt was brought while its start was being written; from outside, if it is told."""
        if status and (id, attempt) in self._starting:
            self._starting[id, attempt] = status
        return self._starting.get((id, attempt), "")

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
