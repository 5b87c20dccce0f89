"""The queue of turns: tokens taken and boards read where 10,000 wait, and events for 1,000 browsers."""

import asyncio
import time

from benchmarks.effort import Effort, alternate, middle, rounds
from benchmarks.figures import per_second, percentile
from benchmarks.load import Outcome, Plan, load, request
from benchmarks.stage import Process, Spending, Stage, stage, until
from benchmarks.table import Row

LEAST_OF_BARE = 0.3
WAITING = 10_000
BROWSERS = 1000
MOST_P99_MS = 100
PER_SECOND = 4  # tokens that are taken while the browsers look on
TAKE = request("POST", "/v1/queues/cats/tokens")
BOARD = request("GET", "/v1/queues/cats")


async def measure(effort: Effort) -> list[Row]:
    """Against endpoints that store nothing, with the projector and the scheduler at work."""
    async with stage() as at:
        api = await _service(at)
        bare = await at.contender("bare")
        await load(Plan(api.port, [TAKE], seconds=60, warmup=0, most=WAITING))
        await at.drained("tokens")
        board = await _row("board reads, 10,000 waiting", effort, at, api, bare, BOARD, request("GET", "/v1/tasks/1"))
        take = await _row("tokens taken, 10,000 waiting", effort, at, api, bare, TAKE, request("POST", "/v1/tasks"))
    return [board, take]


async def measure_browsers(effort: Effort) -> list[Row]:
    """From the moment at which a token is asked for until each browser has heard of it."""
    async with stage() as at:
        api = await _service(at)
        browsers = [_Browser() for _ in range(BROWSERS)]
        loop = asyncio.get_running_loop()
        for each in browsers:
            await loop.create_connection(lambda each=each: each, "127.0.0.1", api.port)  # type: ignore[misc]
        await until(lambda: _all(browsers, b"listening"), "all browsers listen", 30)
        late: list[float] = []
        for _ in range(max(1, int(effort.seconds * effort.rounds * PER_SECOND))):
            for each in browsers:
                each.heard, each.at = b"", 0.0
            started = time.perf_counter()
            reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
            writer.write(TAKE)
            await reader.readuntil(b"\r\n\r\n")
            await until(lambda: _all(browsers, b"token.taken"), "all browsers heard", 30)
            writer.close()
            late += [(each.at - started) * 1000 for each in browsers]
        for each in browsers:
            each.close()
    p99 = percentile(late, 99)
    return [
        Row(
            name=f"an event at {BROWSERS:,} browsers of one API process, p99",
            ours=f"{p99:.0f} ms",
            target=f"< {MOST_P99_MS} ms",
            met=p99 < MOST_P99_MS,
            detail=f"p50 {percentile(late, 50):.0f} ms, worst {max(late):.0f} ms",
        )
    ]


class _Browser(asyncio.Protocol):
    """A connection that listens to the queue's events. at: when the first of what it waits for came."""

    def __init__(self) -> None:
        self.heard = b""
        self.at = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(request("GET", "/v1/queues/cats/events"))

    def data_received(self, data: bytes) -> None:
        self.heard += data
        if not self.at:
            self.at = time.perf_counter()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def _all(browsers: list[_Browser], word: bytes) -> bool:
    return all(word in each.heard for each in browsers)


async def _service(at: Stage) -> Process:
    await at.role("projector")
    await at.role("scheduler")
    return await at.role("api", takes_per_minute="0")


async def _row(name: str, effort: Effort, at: Stage, api: Process, bare: Process, own: bytes, other: bytes) -> Row:
    outcomes: list[Outcome] = []
    own_cost, their_cost = Spending(at), Spending(at)

    async def ours() -> float:
        with own_cost.on():
            outcomes.append(await load(Plan(api.port, [own], seconds=effort.seconds)))
            await at.drained("tokens")
        own_cost.add(outcomes[-1].answers)
        return outcomes[-1].rate

    async def theirs() -> float:
        with their_cost.on():
            outcome = await load(Plan(bare.port, [other], seconds=effort.seconds))
        their_cost.add(outcome.answers)
        return outcome.rate

    found = await alternate(effort, {"duestream": ours, "bare": theirs})
    rate, bare_rate = middle(found["duestream"]), middle(found["bare"])
    return Row(
        name=f"{name}, against bare Starlette",
        ours=per_second(rate),
        theirs=per_second(bare_rate),
        ratio=rate / bare_rate,
        target=f"ratio ≥ {LEAST_OF_BARE:g}",
        met=rate / bare_rate >= LEAST_OF_BARE,
        detail=(
            f"rounds {rounds(found['duestream'])}; p99 {middle([each.p99_ms for each in outcomes]):.0f} ms; "
            f"{own_cost.shown()}; bare {their_cost.of(bare.name):.0f}"
        ),
    )
