"""GET /v1/tasks/{id} over many tasks, through one API process."""

import random

from benchmarks.effort import Effort, alternate, middle, rounds
from benchmarks.figures import per_second
from benchmarks.load import Outcome, Plan, load, request
from benchmarks.samples import body, tasks
from benchmarks.stage import Spending, stage
from benchmarks.table import Row

LEAST_OF_BARE = 0.5
TASKS = 20_000
PER_REQUEST = 1000


async def measure(effort: Effort) -> list[Row]:
    ids = list(range(1, TASKS + 1))
    random.Random(1).shuffle(ids)
    requests = [request("GET", f"/v1/tasks/{id}") for id in ids]
    async with stage() as at:
        api = await at.whole()
        bare = await at.contender("bare")
        fill = [request("POST", "/v1/tasks", body(tasks(PER_REQUEST)))]
        await load(Plan(api.port, fill, connections=2, seconds=60, warmup=0, most=TASKS // PER_REQUEST))
        await at.drained()
        outcomes: list[Outcome] = []
        own_cost, their_cost = Spending(at), Spending(at)

        async def ours() -> float:
            with own_cost.on():
                outcomes.append(await load(Plan(api.port, requests, seconds=effort.seconds)))
            own_cost.add(outcomes[-1].answers)
            return outcomes[-1].rate

        async def theirs() -> float:
            with their_cost.on():
                outcome = await load(Plan(bare.port, requests, seconds=effort.seconds))
            their_cost.add(outcome.answers)
            return outcome.rate

        found = await alternate(effort, {"duestream": ours, "bare": theirs})
    own, their = middle(found["duestream"]), middle(found["bare"])
    return [
        Row(
            name="GET /v1/tasks/{id} against bare Starlette",
            ours=per_second(own),
            theirs=per_second(their),
            ratio=own / their,
            target=f"ratio ≥ {LEAST_OF_BARE:g}",
            met=own / their >= LEAST_OF_BARE,
            detail=(
                f"rounds {rounds(found['duestream'])}; p99 {middle([each.p99_ms for each in outcomes]):.0f} ms; "
                f"{own_cost.shown()}; bare {their_cost.of(bare.name):.0f}; "
                f"client busy {middle([each.busy for each in outcomes]):.0%}"
            ),
        )
    ]
