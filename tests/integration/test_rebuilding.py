"""Rebuilding: what is wrong in the read models is mended from the journal, while tasks are written."""

import asyncio
import contextlib
from typing import Any

import pytest

from duestream.applying import TASKS
from duestream.errors import Refused
from duestream.keys import Keys
from duestream.rebuilding import rebuild
from duestream.server import Server
from duestream.tasks import TaskDeleted, TasksCleared
from tests.core import LATER, ORIGIN, PAST, Core, updated
from tests.integration.test_verifying import DAMAGE, damage
from tests.running import running
from tests.stores import Store

MENDED = [sort for sort in DAMAGE if "head" not in sort]  # heads are the journal's own, and no read model


async def spoil(core: Core, ids: list[str]) -> None:
    """Do every sort of damage, each to another task, and leave strays."""
    for id, sort in zip(ids, MENDED, strict=False):
        await damage(core, id, DAMAGE[sort][0])
    for keys in core.shards:
        stray = str(4000 * len(core.shards) + keys.shard)
        await core.server.call("HSET", keys.task(stray), "rev", 1, "state", "stray")
        await core.server.call("ZADD", keys.listed("tasks"), stray, stray)
        await core.server.call("ZADD", keys.due_tasks(), 5, stray)


async def test_every_sort_of_damage_is_mended(core: Core) -> None:
    ids = [await core.create(notice_dt=LATER) for _ in range(12)]
    await core.append(TaskDeleted(), ids[-1])
    await core.project()
    await spoil(core, ids)
    assert len(await core.verify()) == len(MENDED) + len(core.shards)

    await core.rebuild()

    assert await core.verify() == []
    assert await core.models_equal_the_fold()


async def test_models_come_up_from_nothing(core: Core) -> None:
    ids = [await core.create(notice_dt=LATER if n % 2 else None) for n in range(20)]
    await core.append(TaskDeleted(), ids[0])
    await core.project()
    for id in ids:
        await core.server.call("DEL", core.home(id).task(id))
    for keys in core.shards:
        await core.server.call("DEL", keys.listed("tasks"))
        await core.server.call("DEL", keys.due_tasks())

    assert await core.rebuild() == 19

    assert await core.verify() == []
    page = await core.tasks.page(after=-1, offset=0, limit=100, matches=None)
    assert [task.id for task in page] == sorted(map(int, ids[1:]))


async def test_what_a_clear_covers_does_not_come_back(core: Core) -> None:
    before = [await core.create() for _ in range(8)]
    await core.journal.clear(ORIGIN, TasksCleared.type)
    after = await core.create()
    await core.project()
    for keys in core.shards:
        await core.server.call("DEL", keys.view("tasks"))

    await core.rebuild()
    await core.sweep()

    assert await core.models_equal_the_fold()
    assert await core.model(before[0]) == {}
    page = await core.tasks.page(after=-1, offset=0, limit=100, matches=None)
    assert [task.id for task in page] == [int(after)]


class Overtaken(Server):
    """Lets something happen between the fold and the first writing of what it says."""

    def __init__(self, core: Core, meanwhile: Any) -> None:
        super().__init__(core.server.client)
        self.meanwhile = meanwhile

    async def run(self, name: str, keys: Any, args: Any, *, patience: float = 0) -> Any:
        if name == "restore" and self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        return await super().run(name, keys, args, patience=patience)


async def rebuild_overtaken(core: Core, keys: Keys, meanwhile: Any) -> None:
    await rebuild(Overtaken(core, meanwhile), keys, TASKS)


async def test_a_task_that_is_deleted_after_the_fold_does_not_come_back(core: Core) -> None:
    id = await core.create(notice_dt=PAST)
    await core.project()

    async def meanwhile() -> None:
        await core.append(TaskDeleted(), id)
        await core.project()

    await rebuild_overtaken(core, core.home(id), meanwhile)

    assert await core.models_equal_the_fold()
    assert await core.verify() == []


async def test_a_task_that_is_cleared_after_the_fold_does_not_come_back(core: Core) -> None:
    id = await core.create(notice_dt=PAST)
    await core.project()

    async def meanwhile() -> None:
        await core.journal.clear(ORIGIN, TasksCleared.type)
        await core.project()
        await core.sweep()

    await rebuild_overtaken(core, core.home(id), meanwhile)

    assert await core.model(id) == {}
    assert await core.models_equal_the_fold()


async def test_a_task_that_is_changed_after_the_fold_keeps_the_change(core: Core) -> None:
    id = await core.create(notice_dt=PAST)
    await core.project()

    async def meanwhile() -> None:
        await core.append(updated("newer"), id)
        await core.project()

    await rebuild_overtaken(core, core.home(id), meanwhile)

    task = await core.tasks.get(int(id))
    assert task is not None
    assert task.title == "newer"
    assert await core.models_equal_the_fold()


async def test_damage_is_mended_while_tasks_are_written(store: Store, core: Core) -> None:
    ids = [await core.create(notice_dt=LATER) for _ in range(12)]
    await core.project()
    stop = asyncio.Event()

    async def churn() -> None:
        while not stop.is_set():
            id = await core.create(notice_dt=LATER)
            await core.append(updated(), id)
            with contextlib.suppress(Refused):
                await core.append(TaskDeleted(), id)

    async with running(store, "projector"), asyncio.TaskGroup() as group:
        group.create_task(churn())
        group.create_task(churn())
        try:
            await spoil(core, ids)
            for _ in range(3):
                await core.rebuild()
            assert await core.verify() == []
        finally:
            stop.set()

    await core.project()
    assert await core.verify() == []


@pytest.mark.parametrize("times", [1, 2])
async def test_rebuilding_what_is_right_changes_nothing(core: Core, times: int) -> None:
    ids = [await core.create(notice_dt=LATER) for _ in range(6)]
    await core.project()
    before = [await core.model(id) for id in ids]

    for _ in range(times):
        await core.rebuild()

    assert [await core.model(id) for id in ids] == before
    assert await core.models_equal_the_fold()
