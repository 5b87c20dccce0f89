"""The parts of one runner, driven by hand, all in one shard of each store."""

import asyncio
from collections.abc import Sequence

from duestream.clock import now_ms
from duestream.errors import Refused
from duestream.events import Event, Origin, Transition
from duestream.ids import Ids
from duestream.jobs import JobSpec
from duestream.journal import RUNNERS, Journal
from runner.ends import Ends
from runner.halts import Halts
from runner.intake import Intake
from runner.leases import Leases
from runner.slots import Held, Slots
from runner.starting import Starting
from tests.core import HANDLER, JobCore

LONG = 60_000  # ms of a lease that does not run out while a test lasts
IDS = Ids()


class Hearing(Journal):
    """A journal whose caller hears of what it did only after somebody else has acted."""

    meanwhile: asyncio.Event
    on: asyncio.Event

    async def append_each(self, origin: Origin, transitions: Sequence[Transition]) -> list[int | Refused]:
        outcomes = await super().append_each(origin, transitions)
        self.meanwhile.set()
        await self.on.wait()
        return outcomes


class Hands:
    """A worker that begins and leaves the rest to the test."""

    def __init__(self) -> None:
        self.begun: list[Held] = []
        self.is_able = True

    async def able(self) -> bool:
        return self.is_able

    def begin(self, held: Held) -> None:
        held.task = asyncio.create_task(_for_ever())
        self.begun.append(held)


async def _for_ever() -> None:
    await asyncio.Event().wait()


class Runner:
    """The parts of one runner, on the first shard."""

    def __init__(self, core: JobCore, *, size: int = 100, losses: int = 3, lease_ms: int = LONG) -> None:
        self.core = core
        self.keys = core.shards[0]
        self.journal = core.another_journal()
        self.name = self.journal.process
        self.slots = Slots(size)
        self.hands = Hands()
        self.stop = asyncio.Event()
        starting = Starting(self.journal, self.slots, self.hands, self.name, keep=0, losses=losses)
        self.starting = starting
        self.intake = Intake(
            core.server, self.keys, ["default"], self.slots, starting, self.name, self.stop, lease_ms=lease_ms
        )
        self.leases = Leases(
            core.server, self.keys, "default", self.slots, starting, self.name, self.stop, self.stop, lease_ms=lease_ms
        )
        self.halts = Halts(core.server, self.keys, [self.slots], self.stop)
        self.ends = Ends(self.journal, self.name, self.stop, keep=0)

    async def takes(self) -> "Runner":
        """It has taken and started all that was ready."""
        await self.intake.join()
        await self.halts.join()
        await self.intake.once()
        return self

    async def reads(self) -> "Runner":
        """It has taken what was ready, and died before it could start it."""
        await self.intake.join()
        await self.core.server.call(
            "XREADGROUP", "GROUP", RUNNERS, self.name, "COUNT", 100, "STREAMS", self.keys.ready("default"), ">"
        )
        return self

    async def takes_over(self) -> "Runner":
        """It has looked for what others left."""
        await self.leases.recover()
        return self

    async def end(self, held: Held, event: Event) -> None:
        self.ends.put(held, self.slots, event)
        while self.slots.held.get(held.id) is held:
            await self.ends.once()

    @property
    def attempts(self) -> list[tuple[str, int]]:
        return [(held.id, held.attempt) for held in self.hands.begun]

    def holds(self, id: str) -> Held:
        return self.slots.held[id]


async def submit(core: JobCore, spec: JobSpec = HANDLER) -> str:
    [id] = IDS.make(now_ms(), low=0)
    return await core.submit(spec, id=id)


async def pending(core: JobCore) -> dict[str, tuple[str, int, int]]:
    """By entry: who holds it, for how many ms it was idle, how often it was given to somebody."""
    reply = await core.server.call("XPENDING", core.shards[0].ready("default"), RUNNERS, "-", "+", 1000)
    return {entry: (consumer, idle, times) for entry, consumer, idle, times in reply}
