"""kill -9 of anything, at any moment: what was acknowledged stays, and each notice is given once."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

import httpx

from duestream.keys import Keys
from duestream.server import connect
from tests.faults.load import Load
from tests.faults.outcome import all_is_well, journal, notices_given, settled, verified
from tests.faults.processes import House, Process
from tests.running import until

SEED = 20240229
BATCH = 10_000


async def test_killing_projector_scheduler_and_store_under_load_loses_and_repeats_nothing(house_of_each: House) -> None:
    house = house_of_each
    started = await house.start("api", "api", "projector", "scheduler")
    api, other = started[:2]
    load = Load([api.url, other.url], seed=SEED, requests=900)
    chance = random.Random(SEED)

    async with asyncio.TaskGroup() as group:
        group.create_task(load.run())
        points = sorted(chance.sample(range(30, 850), 9))
        victims = ["projector", "scheduler", "store"] * 3
        chance.shuffle(victims)
        for point, victim in zip(points, victims, strict=True):
            await load.reached(point)
            if victim == "store":
                await asyncio.to_thread(house.store.nodes[0].kill)
                await asyncio.to_thread(house.store.nodes[0].start)
            else:
                for process in house.of(victim):
                    process.kill()
                    process.start()

    await all_is_well(house.store, other.url, load.tasks.values())
    assert load.statuses.keys() <= {200, 201, 204, 404, 409, 503}
    assert (load.broken, load.retry_after_missing) == ([], 0)


async def test_what_one_api_process_accepts_is_read_through_the_other_at_once_under_load(house: House) -> None:
    api, other, *_ = await house.start("api", "api", "projector")
    load = Load([api.url, other.url], seed=SEED, clients=4, requests=400)
    seen = []

    async def write_here_and_read_there(http: httpx.AsyncClient, n: int) -> None:
        here, there = (api, other) if n % 2 else (other, api)
        created = await http.post(f"{here.url}/v1/tasks", json={"title": f"task {n}"})
        read = await http.get(there.url + created.headers["location"])
        seen.append(read.json() == created.json())
        at = created.headers["location"]
        await http.patch(here.url + at, json={"title": f"other {n}"})
        seen.append((await http.get(there.url + at)).json()["title"] == f"other {n}")
        listed = await http.get(f"{there.url}/v1/tasks?title=other {n}&limit=10000")
        seen.append(created.json()["id"] in [task["id"] for task in listed.json()["tasks"]])
        await http.delete(here.url + at)
        seen.append((await http.get(there.url + at)).status_code == 404)

    async with httpx.AsyncClient(timeout=20) as http, asyncio.TaskGroup() as group:
        group.create_task(load.run())
        for first in range(0, 60, 6):
            await asyncio.gather(*(write_here_and_read_there(http, n) for n in range(first, first + 6)))

    assert seen == [True] * 240


async def test_a_large_batch_whose_api_process_is_killed_half_way_is_there_whole(house: House) -> None:
    api, other, *_ = await house.start("api", "api", "projector", "scheduler")
    sent = await _batches_until_one_is_cut(house, api)

    async with connect(house.store.url) as server:

        async def finished() -> bool:
            return not await server.call("ZCARD", Keys(0).due_batches())

        await until(finished, "the scheduler has finished the batch", 30)
    await settled(house.store)

    created = [entry for entry in await journal(house.store) if entry.type == "task.created"]
    assert sorted(int(entry.id) for entry in created) == list(range(1, sent + 1))
    assert (await verified(house.store)).differences == []
    notices = await notices_given(house.store)
    assert (len(notices), set(notices.values())) == (sent, {1})
    async with httpx.AsyncClient() as http:
        assert (await http.get(f"{other.url}/v1/tasks/{sent}")).json()["title"] == f"task {BATCH - 1}"


async def _batches_until_one_is_cut(house: House, api: Process) -> int:
    """Kill an API process while it puts a batch on the journal; how many tasks were sent to it, at last or before."""
    body = [{"title": f"task {n}", "expiry_dt": "2020-01-01T00:00:00Z"} for n in range(BATCH)]
    async with connect(house.store.url) as server, httpx.AsyncClient(timeout=20) as http:
        for attempt in range(1, 6):
            posting = asyncio.create_task(http.post(f"{api.url}/v1/tasks", json=body))
            while await server.call("HGET", Keys(0).ids("tasks"), "last") != str(attempt * BATCH):
                assert not posting.done(), posting
            api.kill()
            await asyncio.wait((posting,))
            cut = posting.exception() is not None
            if cut and await server.call("ZCARD", Keys(0).due_batches()):
                return attempt * BATCH
            api.start()
            await house.begun(api)
    raise AssertionError("no batch was cut in five attempts")


async def test_what_fell_due_while_everything_was_down_gets_its_notice_at_the_next_start(house: House) -> None:
    api, projector, scheduler = await house.start("api", "projector", "scheduler")
    async with httpx.AsyncClient(base_url=api.url, timeout=20) as http:
        expiry = datetime.now(UTC) + timedelta(minutes=15, seconds=1.5)
        later = [{"title": f"task {n}", "expiry_dt": expiry.isoformat()} for n in range(20)]
        projector.kill()  # so that some of it is not even projected when the rest is killed
        assert (await http.post("/v1/tasks", json=later)).status_code == 201

    api.kill()
    scheduler.kill()
    await asyncio.to_thread(house.store.nodes[0].kill)
    await _past(expiry - timedelta(minutes=15))
    await asyncio.to_thread(house.store.nodes[0].start)
    assert await notices_given(house.store) == {}
    for process in (api, projector, scheduler):
        process.start()

    async def all_given() -> bool:
        return len(await notices_given(house.store)) == 20

    await until(all_given, "every notice is given")
    await settled(house.store)
    assert set((await notices_given(house.store)).values()) == {1}
    assert (await verified(house.store)).differences == []


async def _past(moment: datetime) -> None:
    async def passed() -> bool:
        return datetime.now(UTC) > moment

    await until(passed, f"it is past {moment}")
