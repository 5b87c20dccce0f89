"""Batches too large for one script call: all or none, and finished by a scheduler where their maker died."""

import asyncio
from typing import Any

import pytest

from duestream.batches import create_many
from duestream.errors import InFlight, KeyReused
from duestream.events import Transition
from duestream.journal import Command, Journal, Once
from duestream.server import Server
from duestream.tasks import STEPS, TaskCreated, TasksCleared
from scheduler.batches import Batches
from scheduler.due import Taken
from tests.core import ORIGIN, Core


def many(count: int, once: Once | None = None) -> Command:
    return Command(ORIGIN, [Transition(TaskCreated(title=f"task {n}")) for n in range(count)], once, memo="memo")


class Dying(Server):
    """A server whose client dies once some chunks of a batch are on the journal; the first one comes with `begin`."""

    def __init__(self, server: Server, chunks: int) -> None:
        super().__init__(server.client)
        self.left = chunks - 1

    async def run(self, name: str, keys: Any, args: Any, *, patience: float = 0) -> Any:
        if name == "advance" and not patience:
            if not self.left:
                raise asyncio.CancelledError
            self.left -= 1
        return await super().run(name, keys, args, patience=patience)


async def die_after(core: Core, chunks: int, command: Command) -> None:
    """A maker that puts some chunks of a batch on the journal, and no more."""
    journal = Journal(Dying(core.server, chunks), "tasks", STEPS, shards=len(core.shards), process="dying")
    with pytest.raises(asyncio.CancelledError):
        await create_many(journal, command)


class Repeating(Server):
    """A server whose client does not get the first answer to any call, and sends it again."""

    async def run(self, name: str, keys: Any, args: Any, *, patience: float = 0) -> Any:
        if not patience:
            await super().run(name, keys, args)
        return await super().run(name, keys, args, patience=patience)


async def left_behind(core: Core) -> None:
    """What a scheduler does once the lease of every batch has run out, twice, at one moment."""
    for keys in core.shards:
        due = dict.fromkeys(await core.server.call("ZRANGE", keys.due_batches(), 0, -1), 0)
        handler = Batches(core.server, keys, len(core.shards))
        await asyncio.gather(*(handler.finish(Taken(now=0, lease=0, due=due)) for _ in range(2)))


async def test_two_thousand_creations_are_on_the_journal_in_order(core: Core) -> None:
    accepted = await create_many(core.journal, many(2000))

    entries = await core.entries()
    assert [entry.id for entry in entries] == accepted.ids
    assert [entry.data for entry in entries] == [f'{{"title":"task {n}"}}' for n in range(2000)]
    assert {entry.rev for entry in entries} == {1}
    assert await core.head(accepted.ids[-1]) == "1 open"


@pytest.mark.parametrize("count", [501, 1000, 1499, 2000])
async def test_a_batch_whose_every_call_is_sent_twice_is_put_there_once(core: Core, count: int) -> None:
    journal = Journal(Repeating(core.server.client), "tasks", STEPS, shards=len(core.shards), process="repeating")

    accepted = await create_many(journal, many(count))

    assert [(entry.id, entry.data) for entry in await core.entries()] == [
        (id, f'{{"title":"task {n}"}}') for n, id in enumerate(accepted.ids)
    ]
    keys = journal.shards[journal.shard_of(accepted.ids[0])]
    assert not await core.server.call("ZCARD", keys.due_batches())


async def test_a_batch_whose_maker_died_is_finished_exactly_once(core: Core) -> None:
    await die_after(core, 1, many(2000))
    assert len(await core.raw()) == 500

    await left_behind(core)

    assert [entry.data for entry in await core.entries()] == [f'{{"title":"task {n}"}}' for n in range(2000)]
    await left_behind(core)
    assert len(await core.raw()) == 2000


async def test_a_batch_is_under_way_until_it_is_finished_and_its_key_replays_it_then(core: Core) -> None:
    once = Once(key="k", fingerprint="f")
    await die_after(core, 2, many(1200, once))

    with pytest.raises(InFlight):
        await create_many(core.journal, many(1200, once))
    await left_behind(core)
    again = await create_many(core.journal, many(1200, once))

    assert again.replayed
    assert again.memo == "memo"
    assert again.ids == [entry.id for entry in await core.entries()]


async def test_a_batch_with_a_used_key_and_another_payload_is_refused(core: Core) -> None:
    await create_many(core.journal, many(600, Once(key="k", fingerprint="f")))

    with pytest.raises(KeyReused):
        await create_many(core.journal, many(601, Once(key="k", fingerprint="g")))

    assert len(await core.raw()) == 600


async def test_a_clear_while_a_batch_is_under_way_covers_all_of_it(core: Core) -> None:
    await die_after(core, 1, many(1200))

    cleared = await core.journal.clear(ORIGIN, TasksCleared.type)
    await left_behind(core)
    await core.project()
    await core.sweep()

    assert cleared == 500
    for entry in await core.entries():
        assert await core.tasks.get(int(entry.id) if entry.id != "*" else 10**6) is None
    assert await core.tasks.page(after=-1, offset=0, limit=10, matches=None) == []
    assert await core.models_equal_the_fold()
    assert await core.journal.clear(ORIGIN, TasksCleared.type) == 0


async def test_nothing_of_a_finished_batch_is_left_in_redis(core: Core) -> None:
    await create_many(core.journal, many(1200))

    for keys in core.shards:
        assert await core.server.call("ZCARD", keys.due_batches()) == 0
    names = [name async for name in core.server.client.scan_iter(match="ds:*:batch:*")]
    assert names == []
