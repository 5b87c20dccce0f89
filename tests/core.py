"""The parts that the processes are made of, on one store, driven by hand: nothing happens unless a test does it."""

import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from duestream import jobs, tasks
from duestream.applying import JOBS, TASKS, Projected, apply
from duestream.changes import model_of
from duestream.clock import now_ms
from duestream.events import Entry, Event, Origin, Steps, Transition, entry_of
from duestream.folding import Fold
from duestream.group import PROJECTOR, Consumer
from duestream.ids import Ids
from duestream.job_reading import Jobs
from duestream.jobs import JobSpec
from duestream.journal import Accepted, Command, Journal, Once
from duestream.keys import Keys, Kind
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
HANDLER = JobSpec(handler="length", payload=msgspec.Raw(b'{"text":"hello","seconds":0}'))


def projector_of(server: Server, keys: Keys, name: str, *, kind: Kind = "tasks") -> Consumer:
    """The consumer of a projector of this name."""
    return Consumer(server, keys.journal(kind), group=PROJECTOR, name=name, accounts=True)


class Core:
    """A journal, its reads, and a projector's consumer per shard. Of tasks."""

    projected: Projected = TASKS
    steps: Steps = STEPS
    over: Sequence[str] = ()

    def __init__(self, server: Server, shards: int) -> None:
        self.server = server
        self.shards = [Keys(shard) for shard in range(shards)]
        self.journal = self.another_journal()
        self.tasks = Tasks(server, shards=shards)
        self.consumers = [
            projector_of(server, keys, f"projector-{os.urandom(4).hex()}", kind=self.projected.kind)
            for keys in self.shards
        ]

    def another_journal(self) -> Journal:
        """The writing side of another process."""
        name = f"test-{os.urandom(4).hex()}"
        kind = self.projected.kind
        return Journal(self.server, kind, self.steps, shards=len(self.shards), process=name, over=self.over)

    async def create(self, title: str = "a task", *, notice_dt: str | None = None) -> str:
        """A task's id; with a notice it has an expiry too."""
        expiry_dt = None if notice_dt is None else LATER
        accepted = await self.append(TaskCreated(title=title, expiry_dt=expiry_dt, notice_dt=notice_dt))
        return accepted.ids[0]

    async def append(self, event: Event, id: str = "", *, rev: int = 0, once: Once | None = None) -> Accepted:
        return await self.journal.append(Command(ORIGIN, [Transition(event, id, rev)], once, memo="memo"))

    def home(self, id: str) -> Keys:
        """The keys of the shard in which an entity lives."""
        return self.shards[self.journal.shard_of(id)]

    async def head(self, id: str) -> str | None:
        head: str | None = await self.server.call("HGET", self.home(id).heads(self.projected.kind), id)
        return head

    async def model(self, id: str) -> dict[str, str]:
        model: dict[str, str] = await self.server.call("HGETALL", self.projected.model(self.home(id), id))
        return model

    async def due(self, id: str) -> float | None:
        score: str | None = await self.server.call("ZSCORE", self.projected.due(self.home(id)), id)
        return None if score is None else float(score)

    async def raw(self) -> list[tuple[Keys, str, list[str]]]:
        """All entries of the journal, shard by shard, oldest first."""
        found = []
        for keys in self.shards:
            reply = await self.server.call("XRANGE", keys.journal(self.projected.kind), "-", "+")
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
                await apply(self.server, keys, self.projected, batch)
                count += len(batch)
        return count

    async def sweep(self) -> None:
        """What a scheduler does after a clear was projected."""
        for keys in self.shards:
            await Sweeps(self.server, keys).sweep(Taken(now=0, lease=0, due={"tasks": 0}))

    async def models_equal_the_fold(self) -> bool:
        """Whether the models, the lists and the due sets are what a fold of the journal says, to the letter."""
        for keys in self.shards:
            fold = Fold(self.server, keys, self.projected)
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
            for place in self.projected.places(fold.changes.values()):
                listed = await self.server.call("ZRANGE", keys.listed(self.projected.kind, place), 0, -1)
                if set(listed) != {id for id, change in live.items() if change.place == place}:
                    return False
            if _scores(await self.server.call("ZRANGE", self.projected.due(keys), 0, -1, "WITHSCORES")) != due:
                return False
        return True

    async def verify(self) -> list[str]:
        """What `duestream verify` finds, as "<id>: <what>"."""
        report = Report()
        for keys in self.shards:
            await Verification(self.server, keys, self.projected).run(report)
        return [f"{each.id}: {each.what}" for each in report.differences]

    async def rebuild(self) -> int:
        return sum([await rebuild(self.server, keys, self.projected) for keys in self.shards])


class JobCore(Core):
    """The same of jobs, with what a runner and a scheduler would do, step by step."""

    projected = JOBS
    steps = jobs.STEPS
    over = jobs.OVER

    def __init__(self, server: Server, shards: int) -> None:
        super().__init__(server, shards)
        self.jobs = Jobs(server, shards=shards)
        self._ids = Ids()

    def id(self) -> str:
        """Of a new job."""
        [id] = self._ids.make(now_ms())
        return id

    async def submit(self, spec: JobSpec = HANDLER, run_at: str = "", *, id: str = "") -> str:
        """A new job's id."""
        id = id or self.id()
        event = jobs.submitted(spec, run_at)
        transition = Transition(event, id, unique=spec.unique, queue=jobs.ready_queue(spec))
        await self.journal.append(Command(ORIGIN, [transition]))
        return id

    async def do(self, id: str, event: Event, *, attempt: int = 0, entry: str = "", queue: str = "default") -> int:
        """One event of a job; its revision. attempt, entry: as its head has them, unless they are said."""
        _, _, now, there = await self.headed(id)
        begins = self.steps[type(event)].begins
        number = attempt or (now + 1 if begins else now)
        transition = Transition(event, id, attempt=number, queue=queue, entry=entry or there)
        return (await self.journal.append(Command(ORIGIN, [transition]))).revs[0]

    async def headed(self, id: str) -> tuple[int, str, int, str]:
        """A head's revision, status, attempt and entry."""
        rev, status, attempt, entry = [*(await self.head(id) or "0 ").split(" "), "", ""][:4]
        return int(rev), status, int(attempt or 0), entry

    async def brought_to(self, status: str, spec: JobSpec = HANDLER) -> str:
        """A job that has come to a status in the shortest way; "" is none."""
        if not status:
            return self.id()
        id = await self.submit(spec, LATER if status == jobs.SCHEDULED else "")
        queue = jobs.ready_queue(spec)
        for event in _WAYS[status]:
            await self.do(id, event, queue=queue)
        return id

    async def ready(self, queue: str = "default") -> list[tuple[str, list[str]]]:
        """The entries of a ready stream, over all shards."""
        streams = [keys.ready(queue) for keys in self.shards]
        return [
            (entry, fields) for each in streams for entry, fields in await self.server.call("XRANGE", each, "-", "+")
        ]

    async def events_of(self, id: str) -> list[str]:
        """The types of a job's events, in order."""
        return [entry.type for entry in await self.entries() if entry.id == id]

    async def statuses(self) -> dict[str, int]:
        """How many jobs the models have in each status that occurs."""
        await self.project()
        return {status: count for status, count in (await self.jobs.counts()).items() if count}


_WAYS: dict[str, list[Event]] = {
    jobs.SCHEDULED: [],
    jobs.QUEUED: [],
    jobs.RUNNING: [jobs.JobStarted(1)],
    jobs.RETRYING: [jobs.JobStarted(1), jobs.JobRetrying(1, error="failed", run_at=LATER, failures=1)],
    jobs.CANCELING: [jobs.JobStarted(1), jobs.JobCanceling()],
    jobs.SUCCEEDED: [jobs.JobStarted(1), jobs.JobSucceeded(1, result=msgspec.Raw(b"5"))],
    jobs.FAILED: [jobs.JobStarted(1), jobs.JobFailed(1, error="failed")],
    jobs.CANCELED: [jobs.JobCanceled()],
}


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


@contextlib.asynccontextmanager
async def job_core_on(store: Store) -> AsyncIterator[JobCore]:
    async with connect(store.url) as server:
        yield JobCore(server, store.shards)
