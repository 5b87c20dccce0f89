"""Reads that see acknowledged writes: the horizon of a stream, and waiting for it."""

import asyncio

import pytest

from duestream.applying import TASKS, apply
from duestream.errors import Behind
from duestream.fresh import Freshness
from tests.core import Core, projector_of


async def test_an_empty_journal_is_applied(core: Core) -> None:
    await core.tasks.applied()


async def test_nothing_is_applied_while_no_projector_ever_was(fast: Core) -> None:
    await fast.create()

    with pytest.raises(Behind):
        await fast.tasks.applied()


async def test_an_entry_that_is_delivered_and_not_applied_holds_the_horizon_back(fast: Core) -> None:
    keys, slow = fast.shards[0], fast.consumers[0]
    await slow.join()
    await fast.create()
    held = await slow.read(count=1, block_ms=1)
    await fast.create()
    quick = projector_of(fast.server, keys, "quick")
    await apply(fast.server, keys, TASKS, await quick.read(count=10, block_ms=1))

    with pytest.raises(Behind):
        await fast.tasks.applied()

    await apply(fast.server, keys, TASKS, held)
    await fast.tasks.applied()


async def test_entries_after_the_question_do_not_hold_it_back(core: Core) -> None:
    await core.create()
    await core.project()
    keys = core.shards[0]
    for _ in core.shards:
        await core.create()

    names = [keys.progress("tasks"), keys.journal("tasks")]
    upto, done = await core.server.run("horizon", names, [""])
    earlier = f"{int(upto.partition('-')[0]) - 1}-0"

    assert not done
    assert await core.server.run("horizon", names, [earlier]) in (
        [earlier, 1],
        [earlier, 0],
    )
    await core.project()
    for _ in core.shards:
        await core.create()
    assert await core.server.run("horizon", names, [upto]) == [upto, 1]


async def test_many_that_wait_are_all_woken_by_one_batch(core: Core) -> None:
    ids = [int(await core.create(f"task {n}")) for n in range(30)]
    reading = [asyncio.ensure_future(core.tasks.get(id)) for id in ids]
    listing = [asyncio.ensure_future(core.tasks.applied()) for _ in range(5)]
    await asyncio.sleep(0)

    await core.project()

    assert [task and task.id for task in await asyncio.gather(*reading)] == ids
    await asyncio.gather(*listing)


async def test_what_is_there_already_is_not_waited_for(fast: Core) -> None:
    fresh = Freshness(fast.server, fast.shards[0])

    async def at_once() -> int:
        return 7

    assert await fresh.until(at_once) == 7
