"""Runners take over what others left."""

import asyncio

from duestream import jobs
from duestream.journal import RUNNERS
from runner.slots import Held
from tests.core import JobCore
from tests.integration.runner_parts import LONG, Runner, submit


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
