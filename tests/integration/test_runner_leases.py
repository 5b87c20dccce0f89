"""Leases that runners renew or lose, and the signal that they must not go on."""

import asyncio

import msgspec
import pytest

from duestream import jobs
from duestream.errors import Refused
from duestream.events import Event, Transition
from duestream.journal import RUNNERS, Command
from tests.core import HANDLER, ORIGIN, PAST, JobCore
from tests.integration.runner_parts import LONG, Hearing, Runner, pending, submit


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
