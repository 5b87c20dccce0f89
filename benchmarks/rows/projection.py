"""A backlog of creations, projected by one projector process, and by two."""

import asyncio
import time

from benchmarks.effort import Effort, alternate, middle, rounds
from benchmarks.figures import per_second
from benchmarks.machine import doubling
from benchmarks.samples import tasks
from benchmarks.stage import Spending, Stage, stage, until
from benchmarks.table import Row
from duestream import instants
from duestream.events import Origin, Transition
from duestream.journal import LARGEST_CALL, Command, Journal
from duestream.settings import Settings
from duestream.tasks import STEPS, create

LEAST = 20_000  # events/s of one process
LEAST_GAIN = 0.8  # of two over one, as a share of what the machine gives two processes that only compute
BACKLOG = 100_000
LOOK = 0.02  # seconds; the backlog takes some
IN_FLIGHT = 4  # calls while the backlog is made


async def measure(effort: Effort) -> list[Row]:
    backlog = effort.of(BACKLOG)
    costs: list[str] = []
    found = await alternate(
        effort, {"one": lambda: project(backlog, 1, costs), "two": lambda: project(backlog, 2, costs)}
    )
    one, two = middle(found["one"]), middle(found["two"])
    most = await doubling()
    return [
        Row(
            name="events projected by one process",
            ours=per_second(one),
            target=f"≥ {LEAST:,}/s",
            met=one >= LEAST,
            detail=f"rounds {rounds(found['one'])}; {costs[-2]}",
        ),
        Row(
            name="events projected by two processes, against one",
            ours=per_second(two),
            theirs=per_second(one),
            ratio=two / one,
            target=f"nearly 2: ≥ {LEAST_GAIN:g} of what two loops get here",
            met=two / one >= LEAST_GAIN * min(2.0, most),
            detail=f"two loops of Python get {most:.2f} of one here; rounds {rounds(found['two'])}; {costs[-1]}",
        ),
    ]


async def project(backlog: int, processes: int, costs: list[str]) -> float:
    """Events per second of so many projectors, which are held until the backlog stands; adds what they cost."""
    async with stage() as at:
        projectors = [await at.role("projector") for _ in range(processes)]
        for each in projectors:
            each.hold()
        await fill(at, backlog)
        cost = Spending(at)
        cost.add(backlog)
        with cost.on():
            started = time.perf_counter()
            for each in projectors:
                each.resume()
            await until(lambda: _applied(at, backlog), "the backlog was projected", 120, step=LOOK)
            took = time.perf_counter() - started
        costs.append(cost.shown())
        return backlog / took


async def _applied(at: Stage, backlog: int) -> bool:
    """One small command, so that looking takes nothing from who is looked at."""
    return int(await at.server.call("HGET", at.keys.progress("tasks"), "count") or 0) >= backlog


async def fill(at: Stage, count: int) -> None:
    """Put the creation of so many tasks on the journal."""
    journal = Journal(at.server, "tasks", STEPS, shards=1, process="benchmark")
    lead = Settings().lead
    origin = Origin(at="2026-11-22T12:00:00.123Z", by="anonymous", cause="5f0c1a2b-1a2b")
    transitions = [
        Transition(
            create(
                title=task["title"],
                description=task["description"],
                expiry_dt=instants.parse(task["expiry_dt"], None),
                lead=lead,
            )
        )
        for task in tasks(min(count, 5000))
    ]
    calls = [
        Command(origin, [transitions[(start + n) % len(transitions)] for n in range(min(LARGEST_CALL, count - start))])
        for start in range(0, count, LARGEST_CALL)
    ]
    for start in range(0, len(calls), IN_FLIGHT):
        await asyncio.gather(*(journal.append(call) for call in calls[start : start + IN_FLIGHT]))
