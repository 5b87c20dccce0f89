"""Turns while processes are killed: the journal tells of one fair line, whatever dies, and nothing is lost."""

import asyncio
import random
from collections import Counter

import httpx
import msgspec

from duestream.applying import TOKENS
from duestream.events import Entry, entry_of
from duestream.queues import LIVE, STATUS_OF
from duestream.server import connect
from duestream.turn_verifying import verify_lines
from duestream.turns import HOME
from duestream.verifying import Report, Verification
from tests.faults.processes import House
from tests.running import until
from tests.stores import Store
from tests.turns import broken_laws

SEED = 20261122
VISITORS = 200
TRIES = 200
PAUSE = 0.1


class Visitor(msgspec.Struct):
    """What one was told."""

    taken: list[str] = []
    served: int = 0
    over: int = 0


async def test_200_visitors_are_served_in_one_fair_line_while_processes_are_killed(house: House) -> None:
    started = await house.start("api", "api", "projector", "scheduler", "scheduler", takes_per_minute="0")
    urls = [process.url for process in started if process.url]
    chance = random.Random(SEED)
    limits = httpx.Limits(max_connections=60)
    async with httpx.AsyncClient(timeout=20, limits=limits) as http:
        settings = {"claim_seconds": 0.3, "serve_seconds": 0.2, "counters": 5}
        answer = await http.put(f"{urls[0]}/v1/queues/cats", json=settings)
        assert answer.status_code == 200

        async with asyncio.TaskGroup() as group:
            visits = [group.create_task(_visit(http, urls, n)) for n in range(VISITORS)]
            group.create_task(_kill(house, chance, visits))

    await until(lambda: _nobody_left(house.store), "every token has ended", 60)
    entries = await _journal(house.store)
    assert broken_laws(entries) == []
    ends = Counter(entry.id for entry in entries if STATUS_OF.get(entry.type) not in (None, *LIVE))
    taken = [entry.id for entry in entries if entry.type == "token.taken"]
    assert ends == dict.fromkeys(taken, 1)
    assert len(taken) == VISITORS  # each once, though he may have asked many times
    assert {label for visit in visits for label in visit.result().taken} == set(_labels(taken))
    claimed = sum(entry.type == "token.claimed" for entry in entries)
    assert claimed >= sum(visit.result().served for visit in visits) > 0
    await until(lambda: _projected(house.store), "everything is projected", 30)
    report = Report()
    async with connect(house.store.url) as server:
        await Verification(server, HOME, TOKENS).run(report)
        await verify_lines(server, report)
    assert (report.differences, report.dead) == ([], 0)


async def _visit(http: httpx.AsyncClient, urls: list[str], n: int) -> Visitor:
    """Take a token, wait until it is called, and claim it; every third stays away, some leave or finish."""
    visitor, chance = Visitor(), random.Random(SEED + n)
    key = {"idempotency-key": f"visitor-{n}"}
    answer = await _send(http, chance, urls, "POST", "/v1/queues/cats/tokens", key)
    assert answer.status_code == 201, answer.text
    ticket = answer.json()
    visitor.taken.append(ticket["token"])
    at = f"/v1/queues/cats/tokens/{ticket['token']}"
    if n % 3 == 0:
        return visitor
    if n % 11 == 0:
        await _send(http, chance, urls, "DELETE", at)
        return visitor
    while True:
        found = await _send(http, chance, urls, "GET", at)
        if found.status_code == 410 or found.json()["number"] != ticket["number"]:
            visitor.over += 1  # he was too slow; the label may be another's by now
            return visitor
        if found.json()["status"] == "called":
            break
        await asyncio.sleep(PAUSE)
    claim = await _send(http, chance, urls, "POST", f"{at}/claim", {"idempotency-key": f"claim-{n}"})
    assert claim.status_code in (200, 409, 410), claim.text
    visitor.served = claim.status_code == 200
    if visitor.served and n % 2:
        assert (await _send(http, chance, urls, "POST", f"{at}/finish")).status_code in (204, 409, 410)
    return visitor


async def _send(
    http: httpx.AsyncClient,
    chance: random.Random,
    urls: list[str],
    method: str,
    path: str,
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    """Send it to any API process until one answers that is there."""
    for _ in range(TRIES):
        try:
            answer = await http.request(method, chance.choice(urls) + path, headers=headers)
            if answer.status_code != 503:
                return answer
        except httpx.TransportError:
            pass  # it is just being killed
        await asyncio.sleep(PAUSE)
    raise AssertionError(f"{method} {path} was not answered")


async def _kill(house: House, chance: random.Random, visits: list["asyncio.Task[Visitor]"]) -> None:
    """Kill an API process, a scheduler, the projector, while visitors come and go; each is started again."""
    victims = [house.of("api")[0], house.of("scheduler")[0], house.of("projector")[0], house.of("scheduler")[1]]
    chance.shuffle(victims)
    for share, victim in zip((0.05, 0.2, 0.4, 0.6), victims, strict=True):

        async def so_far(share: float = share) -> bool:
            return sum(visit.done() for visit in visits) >= share * VISITORS

        await until(so_far, f"{share:.0%} of the visits are over", 90)
        victim.kill()
        victim.start()


async def _journal(store: Store) -> list[Entry]:
    async with connect(store.url) as server:
        reply = await server.call("XRANGE", HOME.journal("tokens"), "-", "+")
        return [entry_of(entry, fields) for entry, fields in reply]


async def _nobody_left(store: Store) -> bool:
    async with connect(store.url) as server:
        return not await server.call("ZCARD", HOME.line("cats")) and not await server.call("ZCARD", HOME.out("cats"))


async def _projected(store: Store) -> bool:
    async with connect(store.url) as server:
        _, done = await server.run("horizon", [HOME.progress("tokens"), HOME.journal("tokens")], [""])
        return bool(done)


def _labels(ids: list[str]) -> list[str]:
    return [id.split("/")[1] for id in ids]
