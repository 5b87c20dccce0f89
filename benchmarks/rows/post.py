"""POST /v1/tasks, one task each, through one API process with the projector and the scheduler at work."""

from benchmarks.effort import Effort, alternate, middle, rounds
from benchmarks.figures import per_second
from benchmarks.load import Outcome, Plan, load, request
from benchmarks.samples import body, tasks
from benchmarks.stage import Spending, Stage, StageFailed, stage
from benchmarks.table import Row

LEAST_OF_BARE = 0.35
LEAST_OF_FASTAPI = 3.0


async def measure(effort: Effort) -> list[Row]:
    requests = [request("POST", "/v1/tasks", body(task)) for task in tasks(2000)]
    async with stage() as at:
        api = await at.whole()
        bare = await at.contender("bare")
        fastapi = await at.contender("fastapi_xadd")
        outcomes: list[Outcome] = []
        own_cost, their_cost = Spending(at), Spending(at)

        async def ours() -> float:
            with own_cost.on():
                outcomes.append(await load(Plan(api.port, requests, seconds=effort.seconds)))
                await at.drained()
            own_cost.add(outcomes[-1].answers)
            await _kept(at, sum(each.answers for each in outcomes))
            return outcomes[-1].rate

        async def nothing() -> float:
            with their_cost.on():
                outcome = await load(Plan(bare.port, requests, seconds=effort.seconds))
            their_cost.add(outcome.answers)
            return outcome.rate

        async def one_xadd() -> float:
            return (await load(Plan(fastapi.port, requests, seconds=effort.seconds))).rate

        found = await alternate(effort, {"duestream": ours, "bare": nothing, "fastapi": one_xadd})
    own = middle(found["duestream"])
    p99 = middle([each.p99_ms for each in outcomes])
    detail = (
        f"rounds {rounds(found['duestream'])}; p99 {p99:.0f} ms; {own_cost.shown()}; "
        f"bare {their_cost.of(bare.name):.0f}; client busy {middle([each.busy for each in outcomes]):.0%}"
    )
    rows = []
    for name, peer, least in (
        ("bare", "bare Starlette", LEAST_OF_BARE),
        ("fastapi", "FastAPI + one XADD", LEAST_OF_FASTAPI),
    ):
        ratio = own / middle(found[name])
        rows.append(
            Row(
                name=f"POST /v1/tasks against {peer}",
                ours=per_second(own),
                theirs=per_second(middle(found[name])),
                ratio=ratio,
                target=f"ratio ≥ {least:g}" + (", aim for 0.5" if name == "bare" else ""),
                met=ratio >= least,
                detail=detail if name == "bare" else f"theirs {rounds(found[name])}",
            )
        )
    return rows


async def _kept(at: Stage, acknowledged: int) -> None:
    """What was acknowledged is on the journal: else the figure is worth nothing."""
    held = int(await at.server.call("XLEN", at.keys.journal("tasks")))
    if held < acknowledged:
        raise StageFailed(f"{acknowledged} tasks were acknowledged and {held} are on the journal")
