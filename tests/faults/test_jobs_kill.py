"""kill -9 of runners, projectors and schedulers while jobs run, and cancellations at every moment."""

import asyncio
import random
from collections import defaultdict

import msgspec

from duestream import jobs
from duestream.batches import create_many
from duestream.errors import Refused
from duestream.events import Entry, Transition
from duestream.ids import Ids
from duestream.jobs import OVER, STEPS, JobSpec
from duestream.journal import Command
from duestream.keys import Keys
from tests.core import ORIGIN, JobCore, job_core_on
from tests.faults.outcome import settled, verified
from tests.faults.processes import House
from tests.running import until

SEED = 20261122
COUNT = 2000
SETTINGS = {"job_lease": "2s", "job_losses": "1000", "containers": "0", "concurrency": "40"}


def lengths(seconds: list[float]) -> list[JobSpec]:
    """Jobs that each take so long."""
    return [
        JobSpec("length", msgspec.Raw(msgspec.json.encode({"text": n * "x", "seconds": each})))
        for n, each in enumerate(seconds)
    ]


async def submit(core: JobCore, specs: list[JobSpec]) -> list[str]:
    """Their ids, in order."""
    ids = Ids().make(await core.server.clock_ms(), len(specs), low=0)
    events = [jobs.submitted(spec, "") for spec in specs]
    transitions = [Transition(event, id, queue="default") for event, id in zip(events, ids, strict=True)]
    return (await create_many(core.journal, Command(ORIGIN, transitions))).ids


async def all_over(core: JobCore, count: int) -> None:
    async def over() -> bool:
        heads = await core.server.call("HVALS", Keys(0).heads("jobs"))
        return sum(head.split(" ")[1] in OVER for head in heads) == count

    await until(over, "every job is over", 60)


def by_job(journal: list[Entry]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in journal:
        found[entry.id].append(entry)
    return found


def ends(history: list[Entry]) -> list[str]:
    """The terminal events of a job."""
    kinds = {kind.type: kind for kind in STEPS}
    return [entry.type for entry in history if STEPS[kinds[entry.type]].to in OVER]


async def test_jobs_end_once_and_start_again_only_where_a_runner_was_killed(house: House) -> None:
    chance = random.Random(SEED)
    await house.start("projector", "scheduler", "runner", "runner", "runner", **SETTINGS)
    killed: set[str] = set()
    async with job_core_on(house.store) as core:
        specs = lengths([chance.uniform(0, 0.3) for _ in range(COUNT)])
        ids = await submit(core, specs)

        for point in range(COUNT + 500, 3 * COUNT - 500, 500):

            async def reached(point: int = point) -> bool:
                return bool(await core.server.call("XLEN", Keys(0).journal("jobs")) >= point)

            await until(reached, f"there are {point} events", 60)
            victims = [chance.choice(house.of("runner"))]
            victims += house.of(chance.choice(["projector", "scheduler", "runner"]))[:1]
            for victim in dict.fromkeys(victims):
                if victim.role == "runner":
                    killed.add(str(victim.pid))
                victim.kill()
                victim.start()
        await all_over(core, COUNT)
        await settled(house.store)

        histories = by_job(await core.entries())
        results = [await core.jobs.get(id) for id in ids]
    assert histories.keys() == set(ids)
    assert [ends(histories[id]) for id in ids] == COUNT * [["job.succeeded"]]
    assert [job is not None and job.result == msgspec.Raw(str(n).encode()) for n, job in enumerate(results)] == (
        COUNT * [True]
    )
    repeated = 0
    for history in histories.values():
        begun = [entry for entry in history if entry.type in ("job.started", "job.taken_over")]
        assert [entry.type for entry in begun] == ["job.started"] + (len(begun) - 1) * ["job.taken_over"]
        for lost in begun[:-1]:
            assert lost.by.split(":")[1] in killed, f"{lost.id} was taken from a runner that lives"
        repeated += len(begun) - 1
        assert history[-1].by == begun[-1].by
    assert repeated > 0
    report = await verified(house.store)
    assert (report.differences, report.dead) == ([], 0)


async def test_a_cancellation_at_any_moment_tells_the_truth(house: House) -> None:
    chance = random.Random(SEED)
    await house.start("projector", "runner", "runner", **SETTINGS)
    async with job_core_on(house.store) as core:
        accepted: dict[str, bool] = {}
        refusals: set[str] = set()
        journal = Keys(0).journal("jobs")

        async def cancel(id: str) -> None:
            transition = Transition(jobs.JobCanceled(), id, queue="default")
            try:
                await core.journal.append(Command(ORIGIN, [transition]))
                accepted[id] = True
            except Refused as refusal:
                refusals.add(refusal.status)
                accepted[id] = False

        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                ids = await submit(core, lengths([chance.choice([0, 0, 0.01, 0.03]) for _ in range(50)]))
                wanted = int(await core.server.call("XLEN", journal)) + chance.randrange(60)

                async def reached(wanted: int = wanted, ids: list[str] = ids) -> bool:
                    done = [(await core.headed(id))[1] in OVER for id in ids[-2:]]
                    return bool(await core.server.call("XLEN", journal) >= wanted) or all(done)

                await until(reached, "some of it has happened")
                for id in chance.sample(ids, 40):
                    group.create_task(cancel(id))
        await all_over(core, 400)
        await settled(house.store)
        histories = by_job(await core.entries())

    for id, history in histories.items():
        assert ends(history) == ["job.canceled" if accepted.get(id) else "job.succeeded"]
        assert history[-1].type == ends(history)[0]
    assert set(accepted.values()) == {True, False}
    assert refusals == {"succeeded"}
    report = await verified(house.store)
    assert (report.differences, report.dead) == ([], 0)
