"""Processes of every role that come and go while writes go on."""

import asyncio

from tests.faults.load import Load
from tests.faults.outcome import all_is_well
from tests.faults.processes import House


async def test_processes_are_added_and_removed_during_load_without_loss(house: House) -> None:
    staying, *first = await house.start("api", "projector", "scheduler")
    load = Load([staying.url], seed=7, requests=1000)

    statuses = []
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run())
        await load.reached(50)
        second = await house.start("projector", "scheduler", "api")
        load.urls.append(second[2].url)
        await load.reached(350)
        statuses += [await process.leave() for process in first]
        await load.reached(500)
        third = await house.start("projector", "scheduler", "projector")
        load.urls.remove(second[2].url)
        statuses += [await process.leave() for process in second]
        await load.reached(800)
        statuses.append(await third[2].leave())

    await all_is_well(house.store, staying.url, load.tasks.values())
    assert statuses == [0] * 6
    assert load.statuses.keys() <= {200, 201, 204, 404}
    assert load.retry_after_missing == 0
