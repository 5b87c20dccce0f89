"""Sweeps: what a clear leaves behind is removed a little at a time, and counted right whatever comes between."""

from duestream.batches import create_many
from duestream.events import Transition
from duestream.journal import Command
from duestream.keys import Keys
from duestream.tasks import TaskCreated, TaskDeleted, TasksCleared
from tests.core import LATER, ORIGIN, Core
from tests.running import running, until
from tests.stores import Store


async def fill(core: Core, count: int) -> list[str]:
    new = Transition(TaskCreated(title="x", expiry_dt=LATER, notice_dt=LATER))
    return (await create_many(core.journal, Command(ORIGIN, [new] * count))).ids


async def left(core: Core) -> dict[str, int]:
    """What stands in Redis of tasks."""
    models = 0
    heads = listed = due = unswept = 0
    for keys in core.shards:
        models += len([name async for name in core.server.client.scan_iter(match=f"{keys.task('')}*", count=1000)])
        heads += await core.server.call("HLEN", keys.heads("tasks"))
        listed += await core.server.call("ZCARD", keys.listed("tasks"))
        due += await core.server.call("ZCARD", keys.due_tasks())
        unswept += await _unswept(core, keys)
    return {"models": models, "heads": heads, "listed": listed, "due": due, "unswept": unswept}


async def _unswept(core: Core, keys: Keys) -> int:
    return int(await core.server.call("HGET", keys.ids("tasks"), "unswept") or 0)


NOTHING = {"models": 0, "heads": 0, "listed": 0, "due": 0, "unswept": 0}


async def test_two_thousand_cleared_tasks_leave_nothing(core: Core) -> None:
    await fill(core, 2000)
    await core.project()

    assert await core.journal.clear(ORIGIN, TasksCleared.type) == 2000
    assert (await left(core))["unswept"] == 2000
    await core.project()
    await core.sweep()

    assert await left(core) == NOTHING


async def test_tasks_that_come_after_the_clear_stay(core: Core) -> None:
    await fill(core, 30)
    await core.project()
    await core.journal.clear(ORIGIN, TasksCleared.type)
    kept = [await core.create(notice_dt=LATER) for _ in range(5)]
    await core.project()

    await core.sweep()

    assert await left(core) == {"models": 5, "heads": 5, "listed": 5, "due": 5, "unswept": 0}
    assert len(await core.tasks.get_many(list(map(int, kept)))) == 5


async def test_clears_between_sweeps_count_each_task_once(core: Core) -> None:
    counts = []
    for n in (7, 12, 3):
        ids = await fill(core, n)
        await core.append(TaskDeleted(), ids[0])
        counts.append(await core.journal.clear(ORIGIN, TasksCleared.type))
    assert counts == [6, 11, 2]

    await core.project()
    await core.sweep()
    await fill(core, 4)

    assert await core.journal.clear(ORIGIN, TasksCleared.type) == 4
    await core.project()
    await core.sweep()
    assert await left(core) == NOTHING


async def test_a_sweep_may_be_repeated(core: Core) -> None:
    await fill(core, 10)
    await core.journal.clear(ORIGIN, TasksCleared.type)
    await core.project()

    for _ in range(3):
        await core.sweep()

    assert await left(core) == NOTHING


async def test_running_schedulers_sweep_after_a_clear(store: Store, core: Core) -> None:
    async with running(store, "projector", "scheduler"), running(store, "scheduler"):
        await fill(core, 1200)
        await core.journal.clear(ORIGIN, TasksCleared.type)

        async def swept() -> bool:
            return await left(core) == NOTHING

        await until(swept, "all is swept")
