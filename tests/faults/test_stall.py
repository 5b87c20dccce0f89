"""Processes that stall and come back, and a store that is away for a while."""

import asyncio
import random

import httpx

from tests.faults.load import Load
from tests.faults.outcome import all_is_well, notices_given
from tests.faults.processes import House

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
    assert load.broken == load.retry_after_missing == 0
    assert all(process.lives() for process in (api, projector, scheduler))
