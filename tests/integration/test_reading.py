"""Reading tasks: fresh or not, in pages, over shards, and a task's history."""

import asyncio

import pytest

from duestream.errors import Behind
from duestream.tasks import TaskDeleted, TasksCleared
from tests.core import ORIGIN, Core, updated


async def test_a_fresh_read_waits_for_the_projector_and_shows_the_newest(core: Core) -> None:
    id = await core.create("old")
    await core.project()
    await core.append(updated("new"), id)

    reading = asyncio.ensure_future(core.tasks.get(int(id)))
    old = await core.tasks.get(int(id), fresh=False)
    await core.project()
    fresh = await reading

    assert old is not None
    assert fresh is not None
    assert (old.title, old.rev) == ("old", 1)
    assert (fresh.title, fresh.rev) == ("new", 2)


async def test_a_read_raises_behind_when_nobody_projects(fast: Core) -> None:
    id = await fast.create()

    with pytest.raises(Behind):
        await fast.tasks.get(int(id))

    assert await fast.tasks.get(int(id), fresh=False) is None


async def test_a_deletion_is_seen_before_it_is_projected(core: Core) -> None:
    deleted, cleared = await core.create(), await core.create()
    await core.project()

    await core.append(TaskDeleted(), deleted)
    assert await core.tasks.get(int(deleted)) is None
    assert await core.tasks.get(int(cleared)) is not None

    await core.journal.clear(ORIGIN, TasksCleared.type)
    assert await core.tasks.get(int(cleared)) is None


async def test_reads_at_one_moment_agree_and_an_unknown_id_is_none(core: Core) -> None:
    ids = [int(await core.create(f"task {n}")) for n in range(20)]
    await core.project()

    found = await asyncio.gather(*(core.tasks.get(id) for id in [*ids, *ids, 10**12]))
    many = await core.tasks.get_many([*ids, 10**12])

    assert [each and each.title for each in found] == [f"task {n}" for n in range(20)] * 2 + [None]
    assert sorted(many) == sorted(ids)


@pytest.mark.parametrize("step", [1, 3, 100])
async def test_pages_give_each_task_once_in_order_of_id(core: Core, step: int) -> None:
    ids = [await core.create(f"task {n}") for n in range(14)]
    for id in ids[::5]:
        await core.append(TaskDeleted(), id)
    await core.project()

    seen, after = [], -1
    while page := await core.tasks.page(after=after, offset=0, limit=step, matches=None):
        assert len(page) <= step
        seen += [task.id for task in page]
        after = seen[-1]

    assert seen == sorted(int(id) for n, id in enumerate(ids) if n % 5)


async def test_offset_and_filter_count_what_matches_only(core: Core) -> None:
    ids = sorted([int(await core.create("even" if n % 2 else "odd")) for n in range(16)])
    await core.project()
    titles = {id: task.title for id, task in (await core.tasks.get_many(ids)).items()}

    plain = await core.tasks.page(after=-1, offset=3, limit=4, matches=None)
    filtered = await core.tasks.page(after=-1, offset=2, limit=3, matches=lambda task: task.title == "odd")
    beyond = await core.tasks.page(after=-1, offset=100, limit=3, matches=None)

    assert [task.id for task in plain] == ids[3:7]
    assert [task.id for task in filtered] == [id for id in ids if titles[id] == "odd"][2:5]
    assert beyond == []


async def test_a_history_tells_every_event_of_a_task_also_after_its_deletion(core: Core) -> None:
    id, other = await core.create("one"), await core.create("other")
    for n in range(12):
        await core.append(updated(f"title {n}"), id)
    await core.append(TaskDeleted(), id)
    await core.project()

    history = await core.tasks.history(int(id))

    assert [entry.rev for entry in history] == list(range(1, 15))
    assert [history[0].type, history[-1].type] == ["task.created", "task.deleted"]
    assert [entry.id for entry in await core.tasks.history(int(other))] == [other]
    assert await core.tasks.history(10**9) == []
