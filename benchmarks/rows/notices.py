"""Notices of tasks that fall due one after the other: how much later than due each stands on the journal."""

import random
from datetime import UTC, datetime, timedelta

from benchmarks.effort import Effort
from benchmarks.figures import percentile
from benchmarks.load import Plan, load, request
from benchmarks.samples import body, text
from benchmarks.stage import Stage, stage, until
from benchmarks.table import Row
from duestream import instants
from duestream.events import entry_of
from duestream.settings import Settings
from duestream.tasks import EVENTS, TaskExpiring

MOST_P99_MS = 10
TASKS = 1000
WITHIN = 10.0  # seconds
AHEAD = 2.0  # seconds before the first falls due


async def measure(effort: Effort) -> list[Row]:
    count, within = effort.of(TASKS), WITHIN * effort.scale
    dice = random.Random(2)
    async with stage() as at:
        api = await at.whole()
        first = datetime.now(UTC) + timedelta(seconds=AHEAD) + Settings().lead
        new = [
            {
                "title": text(20),
                "description": text(60),
                "expiry_dt": (first + timedelta(seconds=dice.uniform(0, within))).isoformat(),
            }
            for _ in range(count)
        ]
        plan = Plan(api.port, [request("POST", "/v1/tasks", body(new))], connections=1, seconds=30, warmup=0, most=1)
        await load(plan)

        async def given() -> bool:
            return int(await at.server.call("XLEN", at.keys.journal("tasks"))) >= 2 * count

        await until(given, "all notices were given", AHEAD + within + 20, step=0.25)
        late = await lateness(at)
    p50, p99 = percentile(late, 50), percentile(late, 99)
    return [
        Row(
            name=f"lateness of {count:,} notices within {within:g} s, p99",
            ours=f"{p99:.0f} ms",
            target=f"< {MOST_P99_MS} ms",
            met=p99 < MOST_P99_MS,
            detail=f"p50 {p50:.0f} ms, worst {max(late):.0f} ms",
        )
    ]


async def lateness(at: Stage) -> list[float]:
    """ms of each notice on the journal, from when it was due until the entry was made."""
    late = []
    for entry, fields in await at.server.call("XRANGE", at.keys.journal("tasks"), "-", "+"):
        event = EVENTS.decode(entry_of(entry, fields))
        if isinstance(event, TaskExpiring):
            late.append(float(int(entry.partition("-")[0]) - instants.ms(event.due_dt)))
    return late
