"""What falls due of jobs: they are queued, given up and forgotten, once, whoever looks at them and how often."""

import asyncio

import msgspec

from duestream import instants, job_models, jobs
from duestream.events import Transition
from duestream.journal import Command
from scheduler.due import Taken
from scheduler.jobs import JobTimes
from tests.core import HANDLER, LATER, ORIGIN, PAST, JobCore
from tests.running import running, until
from tests.stores import Store

FAR_MS = 4_100_000_000_000  # after LATER
LATE = msgspec.structs.replace(HANDLER, deadline=PAST)


async def fall_due(core: JobCore, *, schedulers: int = 1, now: int = FAR_MS) -> None:
    """All that is due by then is dealt with, by some schedulers at one moment, which all have taken it."""
    for keys in core.shards:
        flat = await core.server.call("ZRANGE", keys.due_jobs(), "-inf", now, "BYSCORE", "WITHSCORES")
        pairs = flat if flat and isinstance(flat[0], list | tuple) else zip(flat[::2], flat[1::2], strict=True)
        due = {id: int(float(score)) for id, score in pairs}
        times = [JobTimes(core.server, keys, core.another_journal(), keep=60) for _ in range(schedulers)]
        await asyncio.gather(*(each.act(Taken(now=now, lease=now, due=due)) for each in times))
    await core.project()


async def test_a_job_whose_time_has_come_is_queued_once_by_however_many_schedulers(job_core: JobCore) -> None:
    ids = [await job_core.submit(run_at=LATER) for _ in range(5)]
    await job_core.project()

    await fall_due(job_core, schedulers=3)
    await fall_due(job_core, schedulers=3)

    assert [await job_core.events_of(id) for id in ids] == 5 * [["job.scheduled", "job.queued"]]
    assert sorted(fields[1] for _, fields in await job_core.ready()) == sorted(ids)
    assert [await job_core.due(id) for id in ids] == 5 * [None]
    assert await job_core.verify() == []


async def test_what_is_queued_carries_its_work_and_its_failures(job_core: JobCore) -> None:
    spec = msgspec.structs.replace(HANDLER, retries=3)
    id = await job_core.brought_to("retrying", spec)
    await job_core.project()

    await fall_due(job_core)

    [(_, fields)] = await job_core.ready()
    work = msgspec.json.decode(fields[5], type=jobs.Work)
    assert fields[:4] == ["id", id, "attempt", "2"]
    assert (work.handler, work.payload, work.retries, work.failures) == ("length", spec.payload, 3, 1)
    assert (await job_core.headed(id))[1:3] == ("queued", 1)


async def test_a_job_that_was_moved_meanwhile_is_left_to_its_new_time(job_core: JobCore) -> None:
    id = await job_core.submit(run_at=PAST)
    await job_core.project()
    await job_core.do(id, jobs.JobRescheduled(LATER))

    await fall_due(job_core, now=instants.ms(PAST))

    assert await job_core.events_of(id) == ["job.scheduled", "job.rescheduled"]
    assert await job_core.due(id) == instants.ms(LATER)


async def test_a_job_that_was_canceled_meanwhile_is_not_queued(job_core: JobCore) -> None:
    id = await job_core.submit(run_at=PAST)
    await job_core.project()
    await job_core.do(id, jobs.JobCanceled())

    await fall_due(job_core)

    assert (await job_core.headed(id))[1] == "canceled"
    assert await job_core.ready() == []


async def test_a_job_that_waits_beyond_its_deadline_is_given_up_and_its_entry_removed(job_core: JobCore) -> None:
    queued, scheduled = await job_core.submit(LATE), await job_core.submit(LATE, PAST)
    await job_core.project()

    await fall_due(job_core, schedulers=2, now=instants.ms(PAST))  # at that very moment, to the ms

    assert (await job_core.headed(queued))[1] == (await job_core.headed(scheduled))[1] == "failed"
    assert await job_core.ready() == []
    job = await job_core.jobs.get(queued)
    assert job is not None
    assert job.state.error == "not started before its start_deadline"
    assert job.attempts == []


async def test_a_job_that_was_started_in_time_is_not_given_up_when_it_is_tried_again(job_core: JobCore) -> None:
    id = await job_core.brought_to("retrying", LATE)
    await job_core.project()

    await fall_due(job_core)

    assert (await job_core.headed(id))[1] == "queued"
    assert await job_core.due(id) is None


async def test_a_job_that_was_given_up_runs_when_it_is_submitted_again(job_core: JobCore) -> None:
    id = await job_core.submit(LATE)
    await job_core.do(id, jobs.JobMissed(error="too late", keep=60))
    await job_core.project()
    job = await job_core.jobs.get(id)
    assert job is not None

    transition = Transition(jobs.JobResubmitted(), id, job.rev, queue="default", work=job_models.work_of(job))
    await job_core.journal.append(Command(ORIGIN, [transition]))
    await job_core.project()
    await fall_due(job_core)

    [(_, fields)] = await job_core.ready()
    assert msgspec.json.decode(fields[5], type=jobs.Work).deadline == ""
    assert (await job_core.headed(id))[1] == "queued"


async def over_with_a_log(core: JobCore) -> str:
    id = await core.brought_to("running")
    keys = core.home(id)
    await core.server.run("write_log", [keys.log(id), keys.heads("jobs")], [id, 1, 1024, "stdout", "now", "hello\n"])
    await core.do(id, jobs.JobSucceeded(1, keep=60))
    await core.project()
    return id


async def test_a_job_is_forgotten_with_its_log_when_it_was_kept_long_enough(job_core: JobCore) -> None:
    id = await over_with_a_log(job_core)

    await fall_due(job_core, schedulers=2)
    await fall_due(job_core)

    assert await job_core.jobs.get(id) is None
    assert await job_core.head(id) is None
    assert await job_core.server.call("EXISTS", job_core.home(id).log(id)) == 0
    assert (await job_core.events_of(id)).count("job.forgotten") == 1
    assert await job_core.statuses() == {}
    assert await job_core.verify() == []


async def test_a_job_that_is_forgotten_lets_go_of_its_unique_key(job_core: JobCore) -> None:
    unique = msgspec.structs.replace(HANDLER, unique="nightly")
    first = await job_core.brought_to("running", unique)
    keys = job_core.home(first)
    await job_core.do(first, jobs.JobSucceeded(1, keep=60))
    await job_core.project()
    assert await job_core.server.call("HGET", keys.uniques("jobs"), "nightly") == first

    await fall_due(job_core)

    assert await job_core.server.call("EXISTS", keys.uniques("jobs")) == 0


async def test_a_job_that_runs_again_meanwhile_keeps_its_log(job_core: JobCore) -> None:
    id = await over_with_a_log(job_core)
    keys = job_core.home(id)
    [times] = [JobTimes(job_core.server, keys, job_core.another_journal(), keep=60)]
    append_each = times._journal.append_each

    async def after_somebody_else(*given: object) -> object:
        resubmitted = Transition(jobs.JobResubmitted(), id, queue="default", work=b"{}")
        await job_core.journal.append(Command(ORIGIN, [resubmitted]))
        return await append_each(*given)  # type: ignore[arg-type]

    times._journal.append_each = after_somebody_else  # type: ignore[method-assign, assignment]
    await times.act(Taken(now=FAR_MS, lease=FAR_MS, due={id: 0}))

    assert (await job_core.headed(id))[1] == "queued"
    assert await job_core.server.call("TTL", keys.log(id)) == -1
    assert await job_core.server.call("XLEN", keys.log(id)) == 1


async def test_a_log_is_written_by_the_attempt_that_the_job_is_at_and_no_larger_than_it_may_be(
    job_core: JobCore,
) -> None:
    id = await job_core.brought_to("running")
    keys = job_core.home(id)
    names = [keys.log(id), keys.heads("jobs")]
    lines = [f"{n:03}\n" for n in range(300)]

    for line in lines:
        await job_core.server.run("write_log", names, [id, 1, 400, "stdout", "now", line])
    late = await job_core.server.run("write_log", names, [id, 2, 400, "stdout", "now", "late"])

    kept = await job_core.server.call("XRANGE", keys.log(id), "-", "+")
    assert late == -1
    assert [fields[7] for _, fields in kept] == lines[-100:]


async def test_schedulers_that_run_queue_jobs_at_their_times(store: Store) -> None:
    async with running(store, "projector", "scheduler", "scheduler") as service:
        core = JobCore(service.server, store.shards)
        soon = instants.stamp_ms(await service.server.clock_ms() + 300)[:-1] + "000Z"
        ids = [await core.submit(run_at=soon) for _ in range(30)]

        async def queued() -> bool:
            return {(await core.headed(id))[1] for id in ids} == {"queued"}

        await until(queued, "every job is queued")
        entries = await core.entries()

    assert [entry.type for entry in entries].count("job.queued") == 30
    assert all(entry.at >= soon[:-4] for entry in entries if entry.type == "job.queued")
