"""The parts that the processes are made of, on one store, driven by hand: nothing happens unless a test does it."""

import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from typing import Any

from duestream import tasks
from duestream.applying import TASKS, apply
from duestream.changes import model_of
from duestream.events import Entry, Event, Origin, Transition, entry_of
from duestream.folding import Fold
from duestream.group import PROJECTOR, Consumer
from duestream.journal import Accepted, Command, Journal, Once
from duestream.keys import Keys
from duestream.reading import Tasks
from duestream.rebuilding import rebuild
from duestream.server import Server, connect
from duestream.tasks import STEPS, TaskCreated
from duestream.verifying import Report, Verification
from scheduler.due import Taken
from scheduler.sweeps import Sweeps
from tests.stores import Store

AT = "2026-11-22T12:00:00.000Z"
ORIGIN = Origin(at=AT, by="test", cause="request-1")
PAST = "2020-01-01T00:00:00.000000Z"  # of notices that are due at once
LATER = "2099-01-01T00:00:00.000000Z"


class Core:
    """A journal, its reads, and a projector's consumer per shard."""

    def __init__(self, server: Server, shards: int) -> None:
        self.server = server
        self.shards = [Keys(shard) for shard in range(shards)]
        self.journal = self.another_journal()
        self.tasks = Tasks(server, shards=shards)
        self.consumers = [
            Consumer(server, keys.journal("tasks"), group=PROJECTOR, name=f"projector-{os.urandom(4).hex()}")
            for keys in self.shards
        ]

    def another_journal(self) -> Journal:
        """The writing side of another process."""
        name = f"test-{os.urandom(4).hex()}"
        return Journal(self.server, "tasks", STEPS, shards=len(self.shards), process=name)

    async def create(self, title: str = "a task", *, notice_dt: str | None = None) -> str:
        """A task's id; with a notice it has an expiry too."""
        expiry_dt = None if notice_dt is None else LATER
        accepted = await self.append(TaskCreated(title=title, expiry_dt=expiry_dt, notice_dt=notice_dt))
        return accepted.ids[0]

    async def append(self, event: Event, id: str = "", *, rev: int = 0, once: Once | None = None) -> Accepted:
        return await self.journal.append(Command(ORIGIN, [Transition(event, id, rev)], once, memo="memo"))

    def home(self, id: str) -> Keys:
        """The keys of the shard in which a task lives."""
        return self.shards[self.journal.shard_of(id)]

    async def head(self, id: str) -> str | None:
        head: str | None = await self.server.call("HGET", self.home(id).heads("tasks"), id)
        return head

    async def model(self, id: str) -> dict[str, str]:
        model: dict[str, str] = await self.server.call("HGETALL", self.home(id).task(id))
        return model

    async def due(self, id: str) -> float | None:
        score: str | None = await self.server.call("ZSCORE", self.home(id).due_tasks(), id)
        return None if score is None else float(score)

    async def raw(self) -> list[tuple[Keys, str, list[str]]]:
        """All entries of the journal, shard by shard, oldest first."""
        found = []
        for keys in self.shards:
            reply = await self.server.call("XRANGE", keys.journal("tasks"), "-", "+")
            found += [(keys, entry, fields) for entry, fields in reply]
        return found

    async def entries(self) -> list[Entry]:
        return [entry_of(entry, fields) for _, entry, fields in await self.raw()]

    async def project(self) -> int:
        """Apply all that is new; how many entries."""
        count = 0
        for keys, consumer in zip(self.shards, self.consumers, strict=True):
            await consumer.join()
            while batch := await consumer.read(count=500, block_ms=1):
                await apply(self.server, keys, TASKS, batch)
                count += len(batch)
        return count

    async def sweep(self) -> None:
        """What a scheduler does after a clear was projected."""
        for keys in self.shards:
            await Sweeps(self.server, keys).sweep(Taken(now=0, lease=0, due={"tasks": 0}))

    async def models_equal_the_fold(self) -> bool:
        """Whether the models, the lists and the due sets are what a fold of the journal says, to the letter."""
        for keys in self.shards:
            fold = Fold(self.server, keys, TASKS)
            await fold.advance()
            for id, change in fold.changes.items():
                model = await self.model(id)
                if fold.covered(id):
                    if model and "gone" not in model:  # a tombstone from before the clear stays for its hour
                        return False
                elif model != model_of(change):
                    return False
            live = fold.live()
            due = {id: float(change.due) for id, change in live.items() if change.due is not None}
            if set(await self.server.call("ZRANGE", keys.listed("tasks"), 0, -1)) != set(live):
                return False
            if _scores(await self.server.call("ZRANGE", keys.due_tasks(), 0, -1, "WITHSCORES")) != due:
                return False
        return True

    async def verify(self) -> list[str]:
        """What `duestream verify` finds, as "<id>: <what>"."""
        report = Report()
        for keys in self.shards:
            await Verification(self.server, keys, TASKS).run(report)
        return [f"{each.id}: {each.what}" for each in report.differences]

    async def rebuild(self) -> int:
        return sum([await rebuild(self.server, keys, TASKS) for keys in self.shards])


def _scores(flat: Sequence[Any]) -> dict[str, float]:
    pairs = flat if flat and isinstance(flat[0], list | tuple) else list(zip(flat[::2], flat[1::2], strict=True))
    return {str(id): float(score) for id, score in pairs}


def updated(title: str = "changed", *, notice_dt: str | None = None) -> tasks.TaskUpdated:
    expiry_dt = None if notice_dt is None else LATER
    return tasks.TaskUpdated(title=title, expiry_dt=expiry_dt, notice_dt=notice_dt)


@contextlib.asynccontextmanager
async def core_on(store: Store) -> AsyncIterator[Core]:
    async with connect(store.url) as server:
        yield Core(server, store.shards)
