"""POST /v1/tasks with arrays of 1,000 tasks, through one API process with the projector and the scheduler at work."""

from benchmarks.effort import Effort, alternate, middle, rounds
from benchmarks.figures import per_second
from benchmarks.load import Plan, load, request
from benchmarks.samples import body, tasks
from benchmarks.stage import Spending, stage
from benchmarks.table import Row

LEAST = 30_000  # tasks/s
PER_REQUEST = 1000
CONNECTIONS = 4


async def measure(effort: Effort) -> list[Row]:
    requests = [request("POST", "/v1/tasks", body(tasks(PER_REQUEST))) for _ in range(8)]
    async with stage() as at:
        api = await at.whole()
        cost = Spending(at)

        async def turn() -> float:
            plan = Plan(api.port, requests, connections=CONNECTIONS, seconds=effort.seconds)
            with cost.on():
                outcome = await load(plan)
                await at.drained()
            cost.add(outcome.answers * PER_REQUEST)
            return outcome.rate * PER_REQUEST

        found = (await alternate(effort, {"duestream": turn}))["duestream"]
    return [
        Row(
            name="tasks created in arrays of 1,000",
            ours=per_second(middle(found)),
            target=f"≥ {LEAST:,}/s, aim for 50,000/s",
            met=middle(found) >= LEAST,
            detail=f"rounds {rounds(found)}; {cost.shown()}",
        )
    ]
