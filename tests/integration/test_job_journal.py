"""What the journal decides of jobs: every step from every status, attempts, unique keys, ready streams, batches."""

import asyncio
from typing import Any

import msgspec
import pytest

from duestream import jobs
from duestream.batches import create_many
from duestream.containers import ContainerSpec
from duestream.errors import Refused
from duestream.events import Event, Transition
from duestream.ids import Ids, sequence
from duestream.jobs import STATUSES, STEPS, JobSpec, ready_queue, submitted
from duestream.journal import RUNNERS, Command, Journal, Once
from duestream.server import Server
from scheduler.batches import Batches
from scheduler.due import Taken
from tests.core import HANDLER, LATER, ORIGIN, PAST, JobCore

EVENTS: dict[type[Event], Event] = {
    jobs.JobScheduled: submitted(HANDLER, LATER),
    jobs.JobSubmitted: submitted(HANDLER, ""),
    jobs.JobRescheduled: jobs.JobRescheduled(LATER),
    jobs.JobQueued: jobs.JobQueued(),
    jobs.JobResubmitted: jobs.JobResubmitted(),
    jobs.JobStarted: jobs.JobStarted(1),
    jobs.JobTakenOver: jobs.JobTakenOver(2),
    jobs.JobProgressed: jobs.JobProgressed(1, 0.5),
    jobs.JobSucceeded: jobs.JobSucceeded(1),
    jobs.JobFailed: jobs.JobFailed(1, error="failed"),
    jobs.JobRetrying: jobs.JobRetrying(1, error="failed", run_at=LATER, failures=1),
    jobs.JobReleased: jobs.JobReleased(1),
    jobs.JobMissed: jobs.JobMissed(error="too late"),
    jobs.JobCanceling: jobs.JobCanceling(),
    jobs.JobCanceled: jobs.JobCanceled(),
    jobs.JobStopped: jobs.JobStopped(1),
    jobs.JobForgotten: jobs.JobForgotten(),
}
UNIQUE = msgspec.structs.replace(HANDLER, unique="only one")


@pytest.mark.parametrize("status", ["", *STATUSES])
async def test_an_event_is_accepted_from_the_statuses_of_its_step_and_no_other(job_core: JobCore, status: str) -> None:
    ids = [await job_core.brought_to(status) for _ in EVENTS]
    heads = [await job_core.headed(id) for id in ids]
    transitions = [
        Transition(event, id, attempt=attempt + STEPS[type(event)].begins, queue="default", entry=entry)
        for event, id, (_, _, attempt, entry) in zip(EVENTS.values(), ids, heads, strict=True)
    ]

    outcomes = await job_core.journal.append_each(ORIGIN, transitions)

    for event, id, (rev, *_), outcome in zip(EVENTS, ids, heads, outcomes, strict=True):
        step = STEPS[event]
        accepted = status in (step.start.split() or [""])
        assert isinstance(outcome, int) == accepted, event
        expected = (0, "") if accepted and not step.to else (rev + 1, step.to) if accepted else (rev, status)
        assert (await job_core.headed(id))[:2] == expected, event


async def test_what_a_runner_writes_counts_only_in_its_own_attempt(job_core: JobCore) -> None:
    id = await job_core.brought_to("running")
    await job_core.do(id, jobs.JobTakenOver(2))

    for late in (EVENTS[jobs.JobProgressed], jobs.JobSucceeded(1), jobs.JobReleased(1), EVENTS[jobs.JobRetrying]):
        with pytest.raises(Refused) as refusal:
            await job_core.do(id, late, attempt=1)
        assert (refusal.value.status, refusal.value.attempt) == ("running", 2)
    await job_core.do(id, jobs.JobSucceeded(2), attempt=2)

    assert (await job_core.headed(id))[1:3] == ("succeeded", 2)


async def test_a_job_begins_only_by_the_entry_that_its_head_names(job_core: JobCore) -> None:
    id = await job_core.submit()
    _, _, _, entry = await job_core.headed(id)

    with pytest.raises(Refused) as by_another:
        await job_core.do(id, jobs.JobStarted(1), entry="1-1")
    with pytest.raises(Refused):
        await job_core.do(id, jobs.JobStarted(2), attempt=2)
    await job_core.do(id, jobs.JobStarted(1))

    assert (by_another.value.status, by_another.value.entry) == ("queued", entry)
    assert await job_core.headed(id) == (2, "running", 1, entry)


async def test_of_many_runners_that_start_a_job_one_does(job_core: JobCore) -> None:
    id = await job_core.submit()
    _, _, _, entry = await job_core.headed(id)
    start = Transition(jobs.JobStarted(1), id, attempt=1, entry=entry)

    outcomes = await asyncio.gather(*(job_core.another_journal().append_each(ORIGIN, [start]) for _ in range(8)))

    assert sorted(isinstance(outcome, Refused) for [outcome] in outcomes) == [False] + 7 * [True]
    assert await job_core.events_of(id) == ["job.submitted", "job.started"]


async def test_a_job_stands_on_its_ready_stream_while_it_waits_and_runs_and_no_longer(job_core: JobCore) -> None:
    spec = JobSpec(container=ContainerSpec(image="busybox"), queue="slow")
    waiting = await job_core.submit(spec)
    [(entry, fields)] = await job_core.ready("slow:containers")
    assert fields[:4] == ["id", waiting, "attempt", "1"]
    assert msgspec.json.decode(fields[5], type=jobs.Work).container == spec.container
    stream = job_core.home(waiting).ready("slow:containers")
    await job_core.server.call("XGROUP", "CREATE", stream, RUNNERS, "0")
    await job_core.server.call("XREADGROUP", "GROUP", RUNNERS, "r", "COUNT", 1, "STREAMS", stream, ">")

    await job_core.do(waiting, jobs.JobStarted(1))
    assert [entry for entry, _ in await job_core.ready("slow:containers")] == [entry]
    await job_core.do(waiting, jobs.JobSucceeded(1), queue="slow:containers")

    assert await job_core.ready("slow:containers") == []
    assert (await job_core.server.call("XPENDING", stream, RUNNERS))[0] == 0
    assert await job_core.headed(waiting) == (3, "succeeded", 1, "")


async def test_a_released_job_waits_again_as_the_next_attempt_by_another_entry(job_core: JobCore) -> None:
    id = await job_core.brought_to("running")
    _, _, _, before = await job_core.headed(id)

    await job_core.do(id, jobs.JobReleased(1))

    [(entry, fields)] = await job_core.ready()
    assert entry != before
    assert fields[:4] == ["id", id, "attempt", "2"]
    assert await job_core.headed(id) == (3, "queued", 1, entry)


async def test_a_unique_key_has_one_living_job_and_is_free_when_that_is_over(job_core: JobCore) -> None:
    spec = UNIQUE
    shards = len(job_core.shards)
    ids = [Ids().make(n + 1, low=shards)[0] for n in range(3)]  # all in one shard
    first = await job_core.submit(spec, id=ids[0])

    with pytest.raises(Refused) as refusal:
        await job_core.submit(spec, LATER, id=ids[1])
    await job_core.do(first, jobs.JobCanceled())
    second = await job_core.submit(spec, LATER, id=ids[1])
    again = Transition(jobs.JobResubmitted(), first, unique=spec.unique, queue="default")
    with pytest.raises(Refused) as resubmitted:
        await job_core.journal.append(Command(ORIGIN, [again]))

    assert refusal.value.holder == first
    assert resubmitted.value.holder == second
    assert (await job_core.headed(second))[1] == "scheduled"


async def test_two_jobs_of_one_command_cannot_have_the_same_unique_key(job_core: JobCore) -> None:
    ids = Ids().make(1, 2, low=0)
    event = submitted(UNIQUE, "")
    command = Command(ORIGIN, [Transition(event, id, unique=UNIQUE.unique, queue="default") for id in ids])

    with pytest.raises(Refused) as refusal:
        await job_core.journal.append(command)

    assert (refusal.value.holder, refusal.value.index) == (ids[0], 1)
    assert await job_core.raw() == []


async def test_thousands_of_transitions_over_all_shards_are_decided_each_by_itself(job_core: JobCore) -> None:
    ids = [job_core.id() for _ in range(1300)]
    event = submitted(HANDLER, "")
    revs = await job_core.journal.append_each(ORIGIN, [Transition(event, id, queue="default") for id in ids])
    assert revs == [1] * 1300

    wrong = set(ids[::7])
    cancels = [Transition(jobs.JobCanceled(), id, 2 if id in wrong else 1, queue="default") for id in ids]
    outcomes = await job_core.journal.append_each(ORIGIN, cancels)

    assert {id for id, outcome in zip(ids, outcomes, strict=True) if isinstance(outcome, Refused)} == wrong
    assert await job_core.statuses() == {"queued": len(wrong), "canceled": 1300 - len(wrong)}
    assert {fields[1] for _, fields in await job_core.ready()} == wrong


async def test_who_works_on_a_job_is_told_which_attempt_must_not_go_on(job_core: JobCore) -> None:
    container, handler = await job_core.brought_to("running"), await job_core.brought_to("running")

    await job_core.do(container, jobs.JobCanceling())
    await job_core.do(handler, jobs.JobCanceled())

    told: dict[str, list[str]] = {}
    for keys in job_core.shards:
        told |= {
            fields[1]: fields[3::2] for _, fields in await job_core.server.call("XRANGE", keys.halt("jobs"), "-", "+")
        }
    assert told == {container: ["canceling", "1"], handler: ["canceled", "1"]}


# --- batches larger than a script call ---


def many(count: int, once: Once | None = None) -> Command:
    """Every third one for later, of two queues; all in one shard."""
    ids = Ids().make(1, count, low=0)
    specs = [msgspec.structs.replace(HANDLER, queue="even" if n % 2 else "default") for n in range(count)]
    transitions = [
        Transition(submitted(spec, "" if n % 3 else LATER), id, queue=ready_queue(spec))
        for n, (id, spec) in enumerate(zip(ids, specs, strict=True))
    ]
    return Command(ORIGIN, transitions, once, memo=ids[0])


class Dying(Server):
    """A server whose client dies after the first chunk of a batch, which comes with `begin`."""

    async def run(self, name: str, keys: Any, args: Any, *, patience: float = 0) -> Any:
        if name == "advance":
            raise asyncio.CancelledError
        return await super().run(name, keys, args, patience=patience)


async def test_a_large_batch_keeps_its_ids_and_puts_on_ready_streams_what_is_for_now(job_core: JobCore) -> None:
    command = many(1200)

    accepted = await create_many(job_core.journal, command)

    ids = [each.id for each in command.transitions]
    assert accepted.ids == ids
    assert {fields[1] for _, fields in await job_core.ready()} == {
        id for n, id in enumerate(ids) if n % 3 and n % 2 == 0
    }
    assert {fields[1] for _, fields in await job_core.ready("even")} == {
        id for n, id in enumerate(ids) if n % 3 and n % 2
    }
    assert (await job_core.headed(ids[0]))[1:] == ("scheduled", 0, "")
    assert await job_core.statuses() == {"scheduled": 400, "queued": 800}
    for entry, fields in await job_core.ready():
        assert await job_core.headed(fields[1]) == (1, "queued", 0, entry)


async def test_a_large_batch_whose_maker_died_is_finished_once_and_replayed_by_its_key(job_core: JobCore) -> None:
    once = Once("key", "print")
    command = many(1200, once)
    dying = Dying(job_core.server.client)
    journal = Journal(dying, "jobs", STEPS, shards=len(job_core.shards), process="dying")
    with pytest.raises(asyncio.CancelledError):
        await create_many(journal, command)
    assert len(await job_core.raw()) == 500

    for keys in job_core.shards:
        due = dict.fromkeys(await job_core.server.call("ZRANGE", keys.due_batches(), 0, -1), 0)
        batches = Batches(job_core.server, keys, len(job_core.shards))
        await asyncio.gather(*(batches.finish(Taken(now=0, lease=0, due=due)) for _ in range(2)))
    replay = await create_many(job_core.journal, many(1200, once))

    assert [entry.id for entry in await job_core.entries()] == [each.id for each in command.transitions]
    assert len(await job_core.ready()) + len(await job_core.ready("even")) == 800
    assert replay.replayed
    assert sequence(replay.memo, 1200) == [each.id for each in command.transitions]


# --- models ---


async def test_models_lists_and_due_times_are_what_the_journal_says_of_any_status(job_core: JobCore) -> None:
    for status in STATUSES:
        await job_core.brought_to(status)
    late = await job_core.submit(msgspec.structs.replace(HANDLER, deadline=PAST))
    gone = await job_core.brought_to("succeeded")
    await job_core.do(gone, jobs.JobForgotten())

    await job_core.project()

    assert await job_core.models_equal_the_fold()
    assert await job_core.verify() == []
    assert await job_core.jobs.get(gone) is None
    assert await job_core.due(late) == 1577836800000.0


async def test_models_of_jobs_that_were_spoilt_are_found_and_built_anew(job_core: JobCore) -> None:
    ids = {status: await job_core.brought_to(status) for status in STATUSES}
    await job_core.project()
    running, succeeded = ids["running"], ids["succeeded"]
    await job_core.server.call("HSET", job_core.home(running).job(running), "status", "queued")
    await job_core.server.call("ZREM", job_core.home(succeeded).listed("jobs", "succeeded"), succeeded)
    await job_core.server.call("ZADD", job_core.home(succeeded).listed("jobs", "failed"), 0, succeeded)

    found = await job_core.verify()
    await job_core.rebuild()

    assert [each.partition(":")[0] for each in sorted(found)] == sorted([running, succeeded])
    assert await job_core.verify() == []
    assert await job_core.models_equal_the_fold()
