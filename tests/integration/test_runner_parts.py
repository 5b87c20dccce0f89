"""The parts of runners, driven by hand: starting, taking over, leases, halts, ends. All in one shard of each store."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from duestream import jobs
from duestream.clock import now_ms
from duestream.errors import Refused
from duestream.events import Event, Origin, Transition
from duestream.ids import Ids
from duestream.jobs import JobSpec
from duestream.journal import RUNNERS, Command, Journal
from runner.ends import Ends
from runner.halts import Halts
from runner.intake import Intake
from runner.leases import Leases
from runner.slots import Held, Slots
from runner.starting import UNREADABLE, Starting
from tests.core import HANDLER, ORIGIN, PAST, JobCore

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


# --- starting ---


async def test_what_is_ready_is_started_as_the_first_attempt_and_worked_on(job_core: JobCore) -> None:
    ids = [await submit(job_core) for _ in range(3)]

    runner = await Runner(job_core).takes()

    assert runner.attempts == [(id, 1) for id in ids]
    assert [(await job_core.headed(id))[1:3] for id in ids] == 3 * [("running", 1)]
    assert runner.slots.free == 97
    assert {who for who, _, _ in (await pending(job_core)).values()} == {runner.name}


async def test_an_entry_whose_job_does_not_wait_by_it_is_not_started_but_removed(job_core: JobCore) -> None:
    id = await submit(job_core)
    [(_, fields)] = await job_core.ready()
    stream = job_core.shards[0].ready("default")
    await job_core.server.call("XADD", stream, "*", *fields)  # a second entry of the same attempt
    await job_core.server.call("XADD", stream, "*", "id", "0" * 32, "attempt", 1, "work", "{}")

    runner = await Runner(job_core).takes()

    assert runner.attempts == [(id, 1)]
    assert len(await job_core.ready()) == len(await pending(job_core)) == 1


async def test_a_runner_takes_no_more_than_it_has_room_for(job_core: JobCore) -> None:
    for _ in range(5):
        await submit(job_core)

    runner = await Runner(job_core, size=2).takes()

    assert len(runner.attempts) == len(await pending(job_core)) == 2
    assert runner.slots.free == 0


async def test_what_is_being_started_takes_room(fast_jobs: JobCore) -> None:
    runner = Runner(fast_jobs, size=2)

    with runner.slots.starting([("a", 1), ("b", 1)]):
        assert runner.slots.free == 0

    assert runner.slots.free == 2


async def test_what_was_taken_when_nothing_can_be_worked_on_goes_back_at_once(job_core: JobCore) -> None:
    id = await submit(job_core)
    runner = Runner(job_core)
    runner.hands.is_able = False

    await runner.takes()

    assert runner.attempts == []
    assert (await job_core.headed(id))[1] == "queued"
    other = await Runner(job_core).takes_over()
    assert other.attempts == [(id, 1)]
    assert [times for _, _, times in (await pending(job_core)).values()] == [1]


async def test_a_job_that_may_not_start_so_late_is_given_up(job_core: JobCore) -> None:
    id = await submit(job_core, msgspec.structs.replace(HANDLER, deadline=PAST))

    runner = await Runner(job_core).takes()

    assert runner.attempts == []
    assert await job_core.events_of(id) == ["job.submitted", "job.missed"]
    assert await job_core.ready() == []


async def test_a_job_whose_work_cannot_be_read_fails_with_that_reason(job_core: JobCore) -> None:
    id = await submit(job_core)
    await job_core.do(id, jobs.JobCanceled())
    resubmitted = Transition(jobs.JobResubmitted(), id, queue="default", work=b'{"retries": "many"}')
    await job_core.journal.append(Command(ORIGIN, [resubmitted]))

    runner = await Runner(job_core).takes()

    assert runner.attempts == []
    await job_core.project()
    job = await job_core.jobs.get(id)
    assert job is not None
    assert (job.status, job.state.error) == ("failed", UNREADABLE)
    assert await job_core.ready() == []


# --- taking over ---


async def test_a_job_whose_runner_is_gone_is_taken_over_as_the_next_attempt(job_core: JobCore) -> None:
    id = await submit(job_core)
    dead = await Runner(job_core).takes()

    runner = await Runner(job_core, lease_ms=0).takes_over()

    assert runner.attempts == [(id, 2)]
    assert await job_core.events_of(id) == ["job.submitted", "job.started", "job.taken_over"]
    await dead.end(dead.holds(id), jobs.JobSucceeded(1))
    assert (await job_core.headed(id))[1] == "running"
    await runner.end(runner.holds(id), jobs.JobSucceeded(2))
    assert (await job_core.headed(id))[1:] == ("succeeded", 2, "")


async def test_a_job_that_was_taken_and_not_started_is_started_as_the_first_attempt(job_core: JobCore) -> None:
    id = await submit(job_core)
    await Runner(job_core).reads()

    runner = await Runner(job_core, lease_ms=0).takes_over()

    assert runner.attempts == [(id, 1)]
    assert await job_core.events_of(id) == ["job.submitted", "job.started"]


async def test_a_lease_that_has_not_run_out_is_respected(job_core: JobCore) -> None:
    await submit(job_core)
    await Runner(job_core).takes()

    runner = await Runner(job_core).takes_over()

    assert runner.attempts == []


async def test_what_a_dead_runner_left_is_found_behind_what_others_work_on(job_core: JobCore) -> None:
    ids = [await submit(job_core) for _ in range(40)]
    await Runner(job_core).takes()
    _, _, _, last = await job_core.headed(ids[-1])
    stream = job_core.shards[0].ready("default")
    await job_core.server.call("XCLAIM", stream, RUNNERS, "dead", 0, last, "IDLE", 2 * LONG, "JUSTID")

    runner = await Runner(job_core, size=1).takes_over()

    assert runner.attempts == [(ids[-1], 2)]


async def test_a_job_that_loses_one_runner_after_the_other_fails(job_core: JobCore) -> None:
    id = await submit(job_core)
    await Runner(job_core).takes()
    for attempt in (2, 3):
        runner = await Runner(job_core, losses=2, lease_ms=0).takes_over()
        assert runner.attempts == [(id, attempt)]

    last = await Runner(job_core, losses=2, lease_ms=0).takes_over()

    assert last.attempts == []
    await job_core.project()
    job = await job_core.jobs.get(id)
    assert job is not None
    assert (job.status, job.state.error) == ("failed", "lost its runner 3 times")
    assert [each.outcome for each in job.attempts] == ["lost", "lost", "failed"]
    assert await job_core.ready() == []


async def test_a_job_that_is_handed_over_again_and_again_has_lost_no_runner(job_core: JobCore) -> None:
    id = await submit(job_core)
    runner = await Runner(job_core, losses=1).takes()

    for attempt in range(2, 6):
        runner.holds(id).left = True
        await runner.leases.renew()  # does not keep what it has left
        await runner.leases.hand_over()
        runner = await Runner(job_core, losses=1).takes_over()
        assert runner.attempts == [(id, attempt)]

    assert (await job_core.headed(id))[1:3] == ("running", 5)


async def test_only_what_goes_on_without_its_runner_is_handed_over(job_core: JobCore) -> None:
    await submit(job_core)
    runner = await Runner(job_core).takes()

    await runner.leases.hand_over()

    assert (await Runner(job_core).takes_over()).attempts == []


async def test_a_job_that_is_being_canceled_is_taken_over_to_be_stopped(job_core: JobCore) -> None:
    id = await submit(job_core)
    await Runner(job_core).takes()
    await job_core.do(id, jobs.JobCanceling())
    runner = Runner(job_core, lease_ms=0)
    stopping = asyncio.Event()
    begin = runner.hands.begin

    def begin_a_container(held: Held) -> None:
        begin(held)
        held.stop = stopping

    runner.hands.begin = begin_a_container  # type: ignore[method-assign]
    await runner.takes_over()

    assert runner.attempts == [(id, 1)]
    assert stopping.is_set()
    await runner.end(runner.holds(id), jobs.JobStopped(1, exit_code=143))
    assert (await job_core.headed(id))[1] == "canceled"


# --- leases ---


async def test_a_renewed_lease_is_as_new_and_another_runners_stays_as_it_is(job_core: JobCore) -> None:
    ids = [await submit(job_core) for _ in range(2)]
    runner = await Runner(job_core).takes()
    stream = job_core.shards[0].ready("default")
    entries = [(await job_core.headed(id))[3] for id in ids]
    await job_core.server.call("XCLAIM", stream, RUNNERS, runner.name, 0, entries[0], "IDLE", LONG, "JUSTID")
    await job_core.server.call("XCLAIM", stream, RUNNERS, "another", 0, entries[1], "IDLE", LONG, "JUSTID")

    await runner.leases.renew()

    held = await pending(job_core)
    assert (held[entries[0]][0], held[entries[0]][1] < LONG) == (runner.name, True)
    assert (held[entries[1]][0], held[entries[1]][1] >= LONG) == ("another", True)
    assert [times for _, _, times in held.values()] == [1, 1]


async def test_who_lost_its_lease_stops_and_leaves_the_container_to_the_other(job_core: JobCore) -> None:
    id = await submit(job_core)
    cut_off = await Runner(job_core).takes()
    held = cut_off.holds(id)
    removed: list[str] = []
    held.after = lambda: removed.append(id)
    await Runner(job_core, lease_ms=0).takes_over()

    await cut_off.leases.renew()

    assert held.task is not None
    await asyncio.wait((held.task,))
    assert held.task.cancelled()
    assert held.context.canceled
    assert (cut_off.slots.held, removed) == ({}, [])


async def test_an_end_that_comes_too_late_leaves_the_container_to_the_other(job_core: JobCore) -> None:
    id = await submit(job_core)
    late = await Runner(job_core).takes()
    held = late.holds(id)
    removed: list[str] = []
    held.after = lambda: removed.append(id)
    await Runner(job_core, lease_ms=0).takes_over()

    await late.end(held, jobs.JobFailed(1, error="exit code 1"))

    assert (late.slots.held, removed) == ({}, [])
    assert (await job_core.headed(id))[1:3] == ("running", 2)


async def test_an_end_whose_answer_was_lost_counts_as_written(job_core: JobCore) -> None:
    id = await submit(job_core)
    runner = await Runner(job_core).takes()
    removed: list[str] = []
    runner.holds(id).after = lambda: removed.append(id)
    await job_core.do(id, jobs.JobSucceeded(1))

    await runner.end(runner.holds(id), jobs.JobSucceeded(1))

    assert removed == [id]
    assert await job_core.events_of(id) == ["job.submitted", "job.started", "job.succeeded"]


async def test_a_failure_that_meets_a_cancellation_has_no_further_attempt(job_core: JobCore) -> None:
    id = await submit(job_core, msgspec.structs.replace(HANDLER, retries=5))
    runner = await Runner(job_core).takes()
    await job_core.do(id, jobs.JobCanceling())

    retrying = jobs.JobRetrying(1, error="exit code 1", run_at=PAST, failures=1, exit_code=1)
    await runner.end(runner.holds(id), retrying)

    await job_core.project()
    job = await job_core.jobs.get(id)
    assert job is not None
    assert (job.status, job.attempts[0].exit_code, job.state.error) == ("failed", 1, "exit code 1")


async def test_ends_with_large_results_are_all_written(job_core: JobCore) -> None:
    ids = [await submit(job_core) for _ in range(30)]
    runner = await Runner(job_core).takes()
    result = msgspec.Raw(b'"' + 250_000 * b"x" + b'"')

    for id in ids:
        runner.ends.put(runner.holds(id), runner.slots, jobs.JobSucceeded(1, result=result))
    while runner.slots.held:
        await runner.ends.once()

    assert {(await job_core.headed(id))[1] for id in ids} == {"succeeded"}
    await asyncio.wait_for(runner.ends.written(), 5)


async def test_runners_that_are_gone_leave_the_group_unless_they_hold_something(job_core: JobCore) -> None:
    await submit(job_core)
    holding = await Runner(job_core).takes()
    await (await Runner(job_core).reads()).leases.recover()
    stream = job_core.shards[0].ready("default")

    await job_core.server.run("forget", [stream], [RUNNERS, -1])

    consumers = await job_core.server.call("XINFO", "CONSUMERS", stream, RUNNERS)
    assert [flat[1] for flat in consumers] == [holding.name]


# --- halts ---


async def test_a_job_that_is_canceled_while_it_runs_is_stopped_and_its_late_result_refused(job_core: JobCore) -> None:
    id = await submit(job_core)
    runner = await Runner(job_core).takes()
    held = runner.holds(id)
    await job_core.do(id, jobs.JobCanceled())

    await runner.halts.once()

    assert held.task is not None
    await asyncio.wait((held.task,))
    assert held.task.cancelled()
    assert held.context.canceled
    assert runner.slots.held == {}
    [late] = await runner.journal.append_each(
        ORIGIN, [Transition(jobs.JobSucceeded(1), id, attempt=1, queue="default")]
    )
    assert isinstance(late, Refused)
    assert await job_core.events_of(id) == ["job.submitted", "job.started", "job.canceled"]


@pytest.mark.parametrize("event", [jobs.JobCanceled(), jobs.JobCanceling()])
async def test_a_cancellation_that_is_heard_before_the_answer_to_the_start_is_not_missed(
    job_core: JobCore, event: Event
) -> None:
    id = await submit(job_core)
    runner = Runner(job_core)
    journal = Hearing(job_core.server, "jobs", jobs.STEPS, shards=len(job_core.shards), process=runner.name)
    journal.meanwhile, journal.on = asyncio.Event(), asyncio.Event()
    runner.starting._journal = journal
    taking = asyncio.create_task(runner.takes())
    await journal.meanwhile.wait()
    await job_core.do(id, event)

    await runner.halts.once()
    journal.on.set()
    await taking

    if isinstance(event, jobs.JobCanceled):
        assert runner.slots.held == {}
    else:
        [held] = runner.hands.begun
        assert held.context.canceled


async def test_a_cancellation_of_an_earlier_attempt_does_not_stop_a_later_one(job_core: JobCore) -> None:
    id = await submit(job_core)
    first = await Runner(job_core).takes()
    second = Runner(job_core)
    await second.halts.join()
    await job_core.do(id, jobs.JobCanceled())
    resubmitted = Transition(jobs.JobResubmitted(), id, queue="default", work=b'{"handler":"length"}')
    await job_core.journal.append(Command(ORIGIN, [resubmitted]))
    await second.intake.once()

    await second.halts.once()
    await first.halts.once()

    assert [held.attempt for held in second.slots.held.values()] == [2]
    assert first.slots.held == {}
