"""Processes that stall and come back, and a store that is away for a while."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

import httpx

from duestream.server import connect
from scheduler.due import LEASE_MS
from tests.faults.load import Load
from tests.faults.outcome import all_is_well, notices_given, settled, verified
from tests.faults.processes import House
from tests.running import until

SEED = 20250714


async def test_stalled_schedulers_and_projectors_give_no_second_notice_and_miss_none(house: House) -> None:
    api, *workers = await house.start("api", "projector", "projector", "scheduler", "scheduler")
    load = Load([api.url], seed=SEED, requests=700)
    chance = random.Random(SEED)

    async with asyncio.TaskGroup() as group:
        group.create_task(load.run())
        for point in range(50, 650, 50):
            await load.reached(point)
            stalled = [chance.choice(workers[:2]), chance.choice(workers[2:])]
            for process in stalled:
                process.stall()
            await load.reached(point + 40)
            for process in stalled:
                process.resume()

    await all_is_well(house.store, api.url, load.tasks.values())
    assert sum((await notices_given(house.store)).values()) > 50


async def test_a_notice_that_is_not_projected_before_its_lease_ends_is_not_given_again(house: House) -> None:
    api, projector, scheduler, _ = await house.start("api", "projector", "scheduler", "scheduler")
    due = datetime.now(UTC) + timedelta(seconds=3)
    expiry = (due + timedelta(minutes=15)).isoformat()
    async with httpx.AsyncClient(base_url=api.url, timeout=20) as http:
        created = await http.post("/v1/tasks", json=[{"title": f"task {n}", "expiry_dt": expiry} for n in range(100)])
        assert (await http.get("/v1/tasks")).json() == created.json()

    projector.stall()
    scheduler.stall()
    await _all_given(house, 100)
    scheduler.resume()
    async with connect(house.store.url) as server:
        taken_again = await server.clock_ms() + LEASE_MS + 1000

        async def due_again() -> bool:
            return await server.clock_ms() > taken_again

        await until(due_again, "the leases have ended and somebody has taken the tasks again")
    assert set((await notices_given(house.store)).values()) == {1}
    projector.resume()
    await settled(house.store)

    notices = await notices_given(house.store)
    assert (len(notices), set(notices.values())) == (100, {1})
    assert (await verified(house.store)).differences == []


async def _all_given(house: House, count: int) -> None:
    async def given() -> bool:
        return len(await notices_given(house.store)) == count

    await until(given, f"{count} notices are given", 30)


async def test_while_the_store_is_away_requests_wait_or_are_refused_for_the_moment(house: House) -> None:
    api, projector, scheduler = await house.start("api", "projector", "scheduler")
    load = Load([api.url], seed=SEED, requests=500)
    node = house.store.nodes[0]

    async with asyncio.TaskGroup() as group:
        group.create_task(load.run())
        for point in (100, 250, 400):
            await load.reached(point)
            await asyncio.to_thread(node.kill)
            async with httpx.AsyncClient(timeout=20) as http:
                refused = await http.get(f"{api.url}/v1/tasks/1")
            assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
            await asyncio.to_thread(node.start)

    await all_is_well(house.store, api.url, load.tasks.values())
    assert load.statuses.keys() <= {200, 201, 204, 404, 409, 503}
    assert (load.broken, load.retry_after_missing) == ([], 0)
    assert all(process.lives() for process in (api, projector, scheduler))
