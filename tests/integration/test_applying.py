"""Applying entries to the read models on a real server: in any order, any number of times, whatever they are."""

import random

import pytest

from duestream.applying import MOST_DEAD, TASKS, apply
from duestream.keys import Keys
from duestream.lag import lags
from duestream.tasks import TaskDeleted, TaskExpiring, TasksCleared
from tests.core import AT, LATER, ORIGIN, PAST, Core, updated


async def history(core: Core) -> list[str]:
    """Tasks that went through everything; their ids."""
    ids = [await core.create(f"task {n}", notice_dt=PAST if n % 2 else None) for n in range(12)]
    for n, id in enumerate(ids):
        if n % 3 == 0:
            await core.append(updated(notice_dt=LATER if n % 2 else None), id)
        if n % 4 == 1:
            notice = TaskExpiring(title="x", expiry_dt=LATER, update_dt=AT, notice="soon", due_dt=PAST)
            await core.append(notice, id)
        if n % 5 == 0:
            await core.append(TaskDeleted(), id)
    return ids


async def deliver(core: Core, picks: list[tuple[Keys, str, list[str]]], rng: random.Random) -> None:
    """Give entries to `apply` in batches of random sizes."""
    while picks:
        size = rng.randint(1, 6)
        batch, picks = picks[:size], picks[size:]
        for keys in core.shards:
            of_shard = [(entry, fields) for home, entry, fields in batch if home is keys]
            if of_shard:
                await apply(core.server, keys, TASKS, of_shard, stretch=False)


@pytest.mark.parametrize("seed", range(4))
async def test_any_order_and_any_repetition_lead_to_the_fold(core: Core, seed: int) -> None:
    rng = random.Random(seed)
    await history(core)
    if seed % 2:
        await core.journal.clear(ORIGIN, TasksCleared.type)
        await history(core)
    entries = await core.raw()
    picks = entries + rng.choices(entries, k=2 * len(entries))
    rng.shuffle(picks)

    await deliver(core, picks, rng)
    await core.sweep()

    assert await core.models_equal_the_fold()


async def test_a_batch_that_was_applied_before_changes_nothing(core: Core) -> None:
    await history(core)
    await core.project()

    for keys, entry, fields in await core.raw():
        assert await apply(core.server, keys, TASKS, [(entry, fields)], stretch=False) == 0

    assert await core.models_equal_the_fold()


async def test_a_deleted_task_leaves_a_tombstone_that_goes_by_itself(core: Core) -> None:
    id = await core.create(notice_dt=LATER)
    await core.append(TaskDeleted(), id)

    await core.project()

    assert (await core.model(id))["gone"] == "1"
    assert 0 < await core.server.call("PTTL", core.home(id).task(id)) <= 3600 * 1000
    assert await core.due(id) is None


async def test_what_a_clear_covers_stays_gone_when_it_is_delivered_again(core: Core) -> None:
    ids = await history(core)
    before = await core.raw()
    await core.journal.clear(ORIGIN, TasksCleared.type)
    await core.project()

    await deliver(core, before, random.Random(1))
    await core.sweep()

    assert [await core.model(id) for id in ids] == [{}] * len(ids)
    assert await core.tasks.page(after=-1, offset=0, limit=10, matches=None) == []
    assert await core.models_equal_the_fold()


UNREADABLE: dict[str, dict[str, str | None]] = {
    "type": {"type": "task.exploded"},
    "JSON": {"data": "{"},
    "deep JSON": {"data": '{"title":"x","more":' + "[" * 50_000 + "]" * 50_000 + "}"},
    "another shape": {"data": '{"title":1}'},
    "no id": {"id": None},
    "a strange id": {"id": "1 OR 1"},
    "a padded id": {"id": "007"},
    "a revision that is no number": {"rev": "one"},
    "revision 0": {"rev": "0"},
    "a newer schema": {"v": "2"},
    "a time that is none": {"at": "yesterday"},
    "a due time without a zone": {"data": '{"title":"x","notice_dt":"2026-01-01T00:00:00"}'},
    "an expiry that is none": {"data": '{"title":"x","expiry_dt":"never"}'},
}


@pytest.mark.parametrize("why", UNREADABLE)
async def test_an_entry_that_cannot_be_understood_is_put_aside_and_blocks_nothing(fast: Core, why: str) -> None:
    keys = fast.shards[0]
    good: dict[str, str | None] = {"type": "task.created", "id": "77", "rev": "1", "at": AT, "by": "x", "v": "1"}
    fields = {**good, "data": '{"title":"x"}', **UNREADABLE[why]}
    flat = [part for pair in fields.items() if pair[1] is not None for part in pair if part is not None]
    one = await fast.create()
    bad = await fast.server.call("XADD", keys.journal("tasks"), "*", *flat)
    other = await fast.create()

    await fast.project()

    assert await fast.tasks.get(int(one)) is not None
    assert await fast.tasks.get(int(other)) is not None
    ((_, dead),) = await fast.server.call("XRANGE", keys.dead(), "-", "+")
    assert dead[:4] == ["entry", bad, "kind", "tasks"]
    assert dead[4] == "reason"
    assert dead[5]
    assert dead[6:] == flat
    assert [each.entries for each in await lags(fast.server, [keys])] == [0]


async def test_an_entry_of_very_many_fields_is_put_aside_too(fast: Core) -> None:
    keys = fast.shards[0]
    await fast.server.call("XADD", keys.journal("tasks"), "*", *(str(n) for n in range(20_000)))
    id = await fast.create()

    await fast.project()

    assert await fast.tasks.get(int(id)) is not None
    ((_, dead),) = await fast.server.call("XRANGE", keys.dead(), "-", "+")
    assert len(dead) == 6 + MOST_DEAD


async def test_an_entry_that_is_not_text_is_put_aside_too(fast: Core) -> None:
    keys = fast.shards[0]
    await fast.server.call("XADD", keys.journal("tasks"), "*", b"\xff\xfe", b"\x80")

    await fast.project()

    assert await fast.server.call("XLEN", keys.dead()) == 1


async def test_an_earlier_due_time_wakes_whoever_sleeps_and_a_later_one_does_not(core: Core) -> None:
    id = await core.create(notice_dt="2098-01-01T00:00:00.000000Z")
    await core.project()
    signal = core.home(id).wake_due()
    first = await core.server.call("XREVRANGE", signal, "+", "-")

    await core.append(updated(notice_dt=LATER), id)
    await core.project()
    later = await core.server.call("XREVRANGE", signal, "+", "-")
    await core.append(updated(notice_dt=PAST), id)
    await core.project()

    assert len(first) == 1
    assert later == first
    assert await core.server.call("XREVRANGE", signal, "+", "-") != first
