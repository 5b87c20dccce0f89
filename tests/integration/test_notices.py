"""Notices: once per task and expiry, however many schedulers run; armed and disarmed by what happens to the task."""

import asyncio
from datetime import UTC, datetime, timedelta

from duestream.events import Entry
from duestream.stats import notice_stats
from duestream.tasks import Edit, TaskDeleted, TaskExpiring, TaskUpdated, create, update
from scheduler.due import DueSet, Taken
from scheduler.notices import Notices
from tests.core import Core
from tests.running import running, until
from tests.stores import Store

LEAD = timedelta(minutes=15)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


async def task(core: Core, expiry_dt: datetime | None = LONG_AGO, title: str = "a task") -> str:
    accepted = await core.append(create(title=title, description=None, expiry_dt=expiry_dt, lead=LEAD))
    return accepted.ids[0]


async def edit(core: Core, id: str, edit: Edit) -> None:
    await core.project()
    current = await core.tasks.get(int(id))
    assert current is not None
    await core.append(update(current, edit, LEAD), id, rev=current.rev)


async def schedule(core: Core) -> None:
    """One scheduler's round over every shard; it does not sleep."""
    stop = asyncio.Event()
    stop.set()
    for keys in core.shards:
        notices = Notices(core.server, keys, core.another_journal())
        await DueSet(core.server, keys, keys.due_tasks(), notices.give, stop).once()


async def notices(core: Core) -> list[Entry]:
    return [entry for entry in await core.entries() if entry.type == TaskExpiring.type]


async def no_lease(core: Core) -> None:
    """As if the lease of everything that is due had run out."""
    for keys in core.shards:
        for id in await core.server.call("ZRANGE", keys.due_tasks(), 0, -1):
            await core.server.call("ZADD", keys.due_tasks(), "XX", 0, id)


async def test_notice_is_given_once_and_says_what_expires(core: Core) -> None:
    id = await task(core, title="the plants")
    await core.project()

    await schedule(core)
    await core.project()
    await schedule(core)

    (notice,) = await notices(core)
    assert (notice.id, notice.rev, notice.by) == (id, 2, "scheduler")
    assert f'Your task (id:{id}, title:\\"the plants\\") is expired already at 2020-01-01T00:00:00Z!' in notice.data
    assert await core.due(id) is None
    assert (await notice_stats(core.server, core.shards)).given == 1


async def test_a_task_that_expires_within_the_lead_gets_it_at_once_and_a_later_one_does_not(core: Core) -> None:
    now = datetime.fromtimestamp(await core.server.clock_ms() / 1000, UTC)
    soon, later = await task(core, now + timedelta(minutes=14)), await task(core, now + timedelta(minutes=16))
    await core.project()

    await schedule(core)

    (notice,) = await notices(core)
    assert notice.id == soon
    assert "will be expired at" in notice.data
    assert await core.due(later) is not None


async def test_until_it_is_projected_a_notice_is_not_given_again(core: Core) -> None:
    await task(core)
    await core.project()

    for _ in range(3):
        await schedule(core)
        await no_lease(core)

    assert len(await notices(core)) == 1


async def test_another_expiry_arms_the_notice_again_and_another_title_does_not(core: Core) -> None:
    id = await task(core)
    await core.project()
    await schedule(core)

    await edit(core, id, Edit(title="another title"))
    await core.project()
    await schedule(core)
    assert len(await notices(core)) == 1

    await edit(core, id, Edit(expiry_dt=LONG_AGO + timedelta(days=1)))
    await core.project()
    await schedule(core)
    assert [entry.rev for entry in await notices(core)] == [2, 5]


async def test_the_same_expiry_again_gives_no_second_notice(core: Core) -> None:
    id = await task(core)
    await core.project()
    await schedule(core)

    await edit(core, id, Edit(expiry_dt=LONG_AGO))
    await core.project()
    await schedule(core)

    assert len(await notices(core)) == 1


async def test_deleting_a_task_or_its_expiry_disarms_the_notice(core: Core) -> None:
    deleted, never = await task(core), await task(core)
    await core.project()

    await core.append(TaskDeleted(), deleted)
    await edit(core, never, Edit(expiry_dt=None))
    await schedule(core)
    await core.project()
    await schedule(core)

    assert await notices(core) == []
    assert await core.due(deleted) is None
    assert await core.due(never) is None


async def test_a_deletion_that_is_not_projected_yet_disarms_it_too(core: Core) -> None:
    id = await task(core)
    await core.project()
    await core.append(TaskDeleted(), id)

    await schedule(core)

    assert await notices(core) == []
    assert await core.due(id) is None


async def test_an_update_that_is_not_projected_yet_is_waited_for(core: Core) -> None:
    id = await task(core)
    await core.project()
    kept = create(title="newer", description=None, expiry_dt=LONG_AGO, lead=LEAD)
    await core.append(TaskUpdated(title="newer", expiry_dt=kept.expiry_dt, notice_dt=kept.notice_dt), id)

    await schedule(core)
    assert await notices(core) == []

    await core.project()
    await schedule(core)
    (notice,) = await notices(core)
    assert notice.rev == 3
    assert "newer" in notice.data


async def test_two_schedulers_that_took_the_same_entries_give_one_notice(core: Core) -> None:
    ids = [await task(core) for _ in range(40)]
    await core.project()
    now = await core.server.clock_ms()

    async def give(n: int) -> None:
        for keys in core.shards:
            due = {id: 0 for id in ids if core.home(id) is keys}
            await Notices(core.server, keys, core.another_journal()).give(Taken(now=now, lease=0, due=due))

    await asyncio.gather(*(give(n) for n in range(3)))

    assert sorted(entry.id for entry in await notices(core)) == sorted(ids)
    assert (await notice_stats(core.server, core.shards)).given == 40


async def test_running_schedulers_give_each_notice_once_and_what_came_due_while_they_were_down(
    store: Store, core: Core
) -> None:
    before = [await task(core) for _ in range(50)]
    async with running(store, "projector"), running(store, "scheduler"), running(store, "scheduler"):
        after = [await task(core) for _ in range(50)]

        async def all_given() -> bool:
            return len({entry.id for entry in await notices(core)}) == 100

        await until(all_given, "all notices are given")

        async def all_applied() -> bool:
            return not any([await core.due(id) for id in (*before, *after)])

        await until(all_applied, "all notices are applied")

    assert sorted(entry.id for entry in await notices(core)) == sorted(before + after)
