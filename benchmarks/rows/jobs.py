"""Payload jobs, and what other queues make of the same: on one store each, reached by TCP, fsync once a second."""

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

import msgspec

from benchmarks.effort import Effort, alternate, middle, rounds
from benchmarks.figures import per_second, percentile
from benchmarks.load import Plan, load, request
from benchmarks.peers.catalogue import PEERS
from benchmarks.peers.peer import Peer
from benchmarks.peers.running import PeerFailed
from benchmarks.samples import text
from benchmarks.stage import Process, Spending, Stage, stage, until
from benchmarks.table import Row
from duestream import instants
from duestream.batches import create_many
from duestream.clock import now_ms
from duestream.events import Origin, Transition
from duestream.ids import Ids
from duestream.jobs import DEFAULT_QUEUE, OVER, STEPS, SUCCEEDED, JobSpec, submitted
from duestream.journal import Command, Journal

LEAST_SUBMITTED = 30_000  # jobs/s
LEAST_DRAINED = 10_000
LEAST_AGAINST_PYTHON = 3.0
MOST_ASLEEP = 4.5  # s
MOST_P99_MS = 10
MOST_AFTER_KILL = 20.0  # s
PER_REQUEST = 1000
CONNECTIONS = 4
DRAINED = 40_000
SLEEPERS, NAP = 10_000, 3.0
TIMED, WITHIN = 1000, 10.0
KILLED = 20
SLOW = ("celery",)  # drains a tenth as many


async def measure_submitting(effort: Effort) -> list[Row]:
    """Our API, with the projector and the scheduler at work; the others without an API, in bulk."""
    job = {"handler": "noop", "payload": text(100)}
    requests = [request("POST", "/v1/jobs", msgspec.json.encode([job] * PER_REQUEST))]
    async with stage() as at:
        api = await at.whole()
        cost = Spending(at)

        async def turn() -> float:
            plan = Plan(api.port, requests, connections=CONNECTIONS, seconds=effort.seconds)
            with cost.on():
                outcome = await load(plan)
                await at.drained("jobs")
            cost.add(outcome.answers * PER_REQUEST)
            return outcome.rate * PER_REQUEST

        found = (await alternate(effort, {"duestream": turn}))["duestream"]
    return [
        Row(
            name="jobs submitted over HTTP, 1,000 a request",
            ours=per_second(middle(found)),
            target=f"≥ {LEAST_SUBMITTED:,}/s, aim for 50,000/s",
            met=middle(found) >= LEAST_SUBMITTED,
            detail=f"rounds {rounds(found)}; {cost.shown()}",
        )
    ]


async def measure_draining(effort: Effort) -> list[Row]:
    """No-op jobs that wait, until the last result can be read; each with one worker process."""
    count = effort.of(DRAINED)
    costs: list[str] = []
    peers = await _there(effort)

    def peer_turn(peer: Peer) -> Callable[[], Awaitable[float]]:
        return lambda: _peer(peer, lambda url: peer.drain(url, count // 10 if peer.name in SLOW else count))

    turns: dict[str, Callable[[], Awaitable[float]]] = {"duestream": lambda: drain(count, costs)}
    turns.update({peer.name: peer_turn(peer) for peer in peers})
    found = {name: middle(figures) for name, figures in (await alternate(effort, turns)).items()}
    ours = found.pop("duestream")
    pythons = {name: figure for name, figure in found.items() if name != "bullmq"}
    fastest = max(pythons, key=lambda name: pythons[name], default="")
    rows = [
        Row(
            name=f"{count:,} no-op jobs drained by one runner, their history on the journal",
            ours=per_second(ours),
            target=f"≥ {LEAST_DRAINED:,}/s, aim for 20,000/s",
            met=ours >= LEAST_DRAINED,
            detail=costs[-1],
        )
    ]
    if fastest:
        rows.append(
            _against(f"the same, against the fastest in Python ({fastest})", ours, pythons[fastest], 3.0, found)
        )
    if "bullmq" in found:
        rows.append(_against("the same, against BullMQ", ours, found["bullmq"], 1.0, {}))
    return rows


def _against(name: str, ours: float, theirs: float, least: float, others: Mapping[str, float]) -> Row:
    return Row(
        name=name,
        ours=per_second(ours),
        theirs=per_second(theirs),
        ratio=ours / theirs,
        target=f"> {least:g}",
        met=ours / theirs > least,
        detail=", ".join(f"{each} {figure:,.0f}/s" for each, figure in others.items()),
    )


async def measure_sleeping(effort: Effort) -> list[Row]:
    """Jobs that sleep, all at once in one worker: seconds from the first start to the last result."""
    count = effort.of(SLEEPERS)
    ours = await sleep(count)
    theirs = await _each_once(effort, lambda peer, url: peer.sleepers(url, count, NAP))
    best = min(theirs.values(), default=math.inf)
    return [
        Row(
            name=f"{count:,} jobs of {NAP:g} s at once in one runner",
            ours=f"{ours:.2f} s",
            theirs=f"{best:.2f} s" if theirs else "",
            ratio=best / ours if theirs else None,
            target=f"≤ {MOST_ASLEEP:g} s",
            met=ours <= MOST_ASLEEP,
            detail=_seconds(theirs),
        )
    ]


async def measure_timing(effort: Effort) -> list[Row]:
    """Jobs that fall due one after the other: how much later than due each starts."""
    count, within = effort.of(TIMED), WITHIN * effort.scale
    late = await timed(count, within)
    theirs: dict[str, float] = {}

    async def one(peer: Peer, url: str) -> float:
        return percentile(await peer.lateness(url, count, within), 99)

    theirs = await _each_once(effort, one)
    p99 = percentile(late, 99)
    others = ", ".join(f"{name} {figure:,.0f} ms" for name, figure in theirs.items())
    return [
        Row(
            name=f"lateness of {count:,} timed jobs within {within:g} s, p99",
            ours=f"{p99:.0f} ms",
            target=f"< {MOST_P99_MS} ms",
            met=p99 < MOST_P99_MS,
            detail=f"p50 {percentile(late, 50):.0f} ms, worst {max(late):.0f} ms"
            + (f"; others' p99 {others}" if others else ""),
        )
    ]


async def measure_killing(effort: Effort) -> list[Row]:
    """`kill -9` of a worker with jobs in flight, with another one beside it: seconds until all are done."""
    ours = await after_kill(KILLED, NAP)
    theirs = await _each_once(effort, lambda peer, url: peer.after_kill(url, KILLED, NAP))
    best = min(theirs.values(), default=math.inf)
    return [
        Row(
            name=f"{KILLED} jobs of {NAP:g} s done after kill -9 of their runner",
            ours=f"{ours:.1f} s",
            theirs=f"{best:.1f} s" if theirs else "",
            ratio=best / ours if theirs else None,
            target=f"≤ {MOST_AFTER_KILL:g} s",
            met=ours <= MOST_AFTER_KILL,
            detail=f"{_seconds(theirs)} (inf: not within 90 s)" if theirs else "",
        )
    ]


# --- ours ---


async def drain(count: int, costs: list[str]) -> float:
    """Jobs per second of one runner with one projector beside it; adds what they cost."""
    async with stage(fsync="everysec", tcp=True) as at:
        await at.role("projector")
        runner = await _runner(at)
        runner.hold()
        await submit(at, JobSpec(handler="noop", payload=_payload()), count)
        cost = Spending(at)
        cost.add(count)
        with cost.on():
            started = time.perf_counter()
            runner.resume()
            await _succeeded(at, count)
            took = time.perf_counter() - started
        costs.append(cost.shown())
        return count / took


async def sleep(count: int) -> float:
    """Seconds from the first start to the last result of so many jobs that sleep for `NAP`."""
    async with stage(fsync="everysec", tcp=True) as at:
        await at.role("projector")
        runner = await _runner(at, concurrency=str(count))
        runner.hold()
        await submit(at, _nap(), count)
        last = (await at.server.call("XREVRANGE", at.keys.journal("jobs"), "+", "-", "COUNT", 1))[0][0]
        runner.resume()
        await _succeeded(at, count)
        done = await at.server.clock_ms()
        first = (await at.server.call("XRANGE", at.keys.journal("jobs"), f"({last}", "+", "COUNT", 1))[0][0]
        return (done - int(first.partition("-")[0])) / 1000


async def timed(count: int, within: float) -> list[float]:
    """ms of each job from when it was due until its start stands on the journal."""
    dice = random.Random(3)
    async with stage(fsync="everysec", tcp=True) as at:
        await at.role("projector")
        await at.role("scheduler")
        await _runner(at)
        spec = JobSpec(handler="noop", payload=_payload())
        first = now_ms() + 2000
        due = {id: first + dice.randrange(int(within * 1000)) for id in Ids().make(now_ms(), count)}
        journal = _journal(at)
        transitions = []
        for id, ms in due.items():
            event = submitted(spec, instants.exact(instants.EPOCH + timedelta(milliseconds=ms)))
            transitions.append(Transition(event, id, queue=DEFAULT_QUEUE))
        for start in range(0, count, 500):
            await journal.append(Command(_origin(), transitions[start : start + 500]))
        await _succeeded(at, count, within + 30)
        late = []
        for entry, fields in await at.server.call("XRANGE", at.keys.journal("jobs"), "-", "+"):
            if fields[1] == "job.started":
                late.append(float(int(entry.partition("-")[0]) - due[fields[3]]))
        return late


async def after_kill(count: int, seconds: float) -> float:
    """Seconds from the `kill -9` of a runner that has all of them in hand, beside another one."""
    async with stage(fsync="everysec", tcp=True) as at:
        await at.role("projector")
        runner = await _runner(at)
        await submit(at, _nap(seconds), count)

        async def running() -> bool:
            return int(await at.server.call("ZCARD", at.keys.listed("jobs", "running"))) == count

        await until(running, "all jobs run", 30)
        await _runner(at)
        killed = time.perf_counter()
        await runner.kill()
        await _succeeded(at, count)
        return time.perf_counter() - killed


async def submit(at: Stage, spec: JobSpec, count: int) -> None:
    """Put so many jobs on the journal, and wait until they stand in the read models."""
    journal, ids, event = _journal(at), Ids(), submitted(spec, "")
    for start in range(0, count, PER_REQUEST):
        made = ids.make(now_ms(), min(PER_REQUEST, count - start))
        await create_many(journal, Command(_origin(), [Transition(event, id, queue=DEFAULT_QUEUE) for id in made]))
    await at.drained("jobs")


async def _runner(at: Stage, **settings: str) -> Process:
    return await at.role("runner", handlers="benchmarks.handlers", containers="0", **settings)


async def _succeeded(at: Stage, count: int, seconds: float = 180) -> None:
    async def all_of_them() -> bool:
        return int(await at.server.call("ZCARD", at.keys.listed("jobs", SUCCEEDED))) >= count

    await until(all_of_them, "the last result can be read", seconds, step=0.005)


def _journal(at: Stage) -> Journal:
    return Journal(at.server, "jobs", STEPS, shards=1, process="benchmark", over=OVER)


def _origin() -> Origin:
    return Origin(at=instants.stamp_ms(now_ms()), by="anonymous", cause="5f0c1a2b-1a2b")


def _payload() -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(text(100)))


def _nap(seconds: float = NAP) -> JobSpec:
    return JobSpec(handler="length", payload=msgspec.Raw(msgspec.json.encode({"text": text(100), "seconds": seconds})))


# --- the others ---


async def _there(effort: Effort) -> list[Peer]:
    """Those that can be had, if they are wanted; of the rest the reason is told."""
    found: list[Peer] = []
    if effort.alone:
        return found
    for peer in PEERS.values():
        reason = await peer.missing()
        if reason is None:
            found.append(peer)
        else:
            print(f"  {peer.name} is left out: {reason}", flush=True)
    return found


async def _peer(peer: Peer, turn: Callable[[str], Awaitable[float]]) -> float:
    async with stage(fsync="everysec", tcp=True) as at:
        try:
            return await turn(at.url)
        except PeerFailed as error:
            print(f"  {peer.name} failed: {error}", flush=True)
            return math.nan


async def _each_once(effort: Effort, turn: Callable[[Peer, str], Awaitable[float]]) -> dict[str, float]:
    """What each makes of it, one after the other; those that fail are left out."""
    found: dict[str, float] = {}
    for peer in await _there(effort):
        figure = await _peer(peer, lambda url, peer=peer: turn(peer, url))  # type: ignore[misc]
        if not math.isnan(figure):
            found[peer.name] = figure
        await asyncio.sleep(0)
    return found


def _seconds(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {figure:.1f} s" for name, figure in figures.items())
