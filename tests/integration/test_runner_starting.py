"""Runners take what is ready, and start it."""

import msgspec

from duestream import jobs
from duestream.events import Transition
from duestream.journal import Command
from runner.starting import UNREADABLE
from tests.core import HANDLER, ORIGIN, PAST, JobCore
from tests.integration.runner_parts import Runner, pending, submit


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
