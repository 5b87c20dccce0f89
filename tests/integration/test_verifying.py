"""Verification: every sort of difference is reported, and nothing else, also while tasks are written."""

import asyncio
import contextlib

import pytest

from duestream.errors import Refused
from duestream.events import Transition
from duestream.journal import Command
from duestream.tasks import TaskCreated, TaskDeleted, TasksCleared
from tests.core import LATER, ORIGIN, PAST, Core, updated
from tests.running import running
from tests.stores import Store

DAMAGE = {
    "a field is wrong": ("HSET {model} state other", "state is 'other', journal says '{"),
    "a field is missing": ("HDEL {model} state", "state is None, journal says '{"),
    "a field is extra": ("HSET {model} colour red", "colour is 'red', journal says None"),
    "the revision is ahead": ("HSET {model} rev 9", "rev is '9', journal says '1'"),
    "the model is missing": ("DEL {model}", "no model"),
    "it is not listed": ("ZREM {list} {id}", "not in the list"),
    "it is not due": ("ZREM {due} {id}", "due at None, journal says"),
    "it is due too early": ("ZADD {due} 5 {id}", "due at 5.0, journal says"),
    "the head is behind": ("HSET {heads} {id} 0~open", "head is '0 open', journal is at revision 1"),
    "the head is missing": ("HDEL {heads} {id}", "head is None, journal is at revision 1"),
}


async def damage(core: Core, id: str, command: str) -> None:
    keys = core.home(id)
    names = {
        "id": id,
        "model": keys.task(id),
        "list": keys.listed("tasks"),
        "due": keys.due_tasks(),
        "heads": keys.heads("tasks"),
    }
    await core.server.call(*(part.format(**names).replace("~", " ") for part in command.split()))


@pytest.mark.parametrize("sort", DAMAGE)
async def test_a_damaged_task_is_reported_and_no_other(core: Core, sort: str) -> None:
    ids = [await core.create(notice_dt=LATER) for _ in range(8)]
    await core.project()
    command, what = DAMAGE[sort]

    assert await core.verify() == []
    await damage(core, ids[3], command)
    (difference,) = await core.verify()

    assert difference.startswith(f"{ids[3]}: {what}")


async def test_what_the_journal_does_not_know_is_reported(core: Core) -> None:
    await core.create()
    await core.project()
    keys = core.shards[0]

    await core.server.call("HSET", keys.task("4000"), "rev", 1, "state", "stray")
    await core.server.call("ZADD", keys.listed("tasks"), 4004, "4004")
    await core.server.call("ZADD", keys.due_tasks(), 5, "4008")

    assert sorted(await core.verify()) == [f"{id}: the journal knows nothing of it" for id in (4000, 4004, 4008)]


async def test_what_stands_of_a_deleted_task_is_reported(core: Core) -> None:
    id = await core.create()
    await core.append(TaskDeleted(), id)
    await core.project()

    await damage(core, id, "ZADD {list} 1 {id}")

    assert await core.verify() == [f"{id}: deleted, but still listed or due"]


async def test_a_tombstone_that_has_gone_and_a_lease_of_a_scheduler_are_no_differences(core: Core) -> None:
    deleted, due = await core.create(), await core.create(notice_dt=PAST)
    await core.append(TaskDeleted(), deleted)
    await core.project()

    await damage(core, deleted, "DEL {model}")
    await core.server.run("take", [core.home(due).due_tasks(), core.home(due).wake_due()], [10, 5000])

    assert await core.verify() == []


async def test_entries_that_cannot_be_understood_are_no_differences(core: Core) -> None:
    await core.server.call("XADD", core.shards[0].journal("tasks"), "*", "type", "nonsense")
    await core.create()
    await core.project()

    assert await core.verify() == []


async def test_it_is_clean_while_tasks_are_written_and_one_of_them_without_a_pause(store: Store, core: Core) -> None:
    hot = await core.create()
    stop = asyncio.Event()

    async def heat() -> None:
        while not stop.is_set():
            await core.append(updated("hot"), hot)

    async def churn() -> None:
        while not stop.is_set():
            id = await core.create(notice_dt=LATER)
            await core.append(updated(), id)
            with contextlib.suppress(Refused):
                await core.append(TaskDeleted(), id)

    async with running(store, "projector"), asyncio.TaskGroup() as group:
        for each in (heat(), churn(), churn()):
            group.create_task(each)
        try:
            found = [await core.verify() for _ in range(3)]
        finally:
            stop.set()

    assert found == [[], [], []]


async def test_it_is_clean_while_everything_is_cleared_again_and_again(store: Store, core: Core) -> None:
    stop = asyncio.Event()

    async def churn() -> None:
        while not stop.is_set():
            new = TaskCreated(title="x", expiry_dt=LATER, notice_dt=LATER)
            await core.journal.append(Command(ORIGIN, [Transition(new)] * 20))
            await core.journal.clear(ORIGIN, TasksCleared.type)

    async with running(store, "projector", "scheduler"), asyncio.TaskGroup() as group:
        group.create_task(churn())
        try:
            found = [await core.verify() for _ in range(3)]
        finally:
            stop.set()

    assert found == [[], [], []]
