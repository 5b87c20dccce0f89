"""Consumers of a group: each entry to one of them, a dead one's entries to another, also after the data went."""

import asyncio

from duestream.group import Consumer
from tests.core import Core

GROUP = "readers"


def consumer(core: Core, name: str) -> Consumer:
    return Consumer(core.server, core.shards[0].journal("tasks"), group=GROUP, name=name)


async def fill(core: Core, count: int) -> list[str]:
    """Tasks of which some live in shard 0; those."""
    ids = [await core.create() for _ in range(count * len(core.shards))]
    return [id for id in ids if core.journal.shard_of(id) == 0]


async def test_each_entry_is_given_to_one_consumer(core: Core) -> None:
    one, other = consumer(core, "one"), consumer(core, "other")
    await one.join()
    await fill(core, 10)

    batches = [await each.read(count=3, block_ms=1) for each in (one, other, one, other, one)]

    entries = [entry for batch in batches for entry, _ in batch]
    assert len(entries) == len(set(entries)) == 10
    assert batches[-1] == []


async def test_joining_twice_and_from_many_processes_does_no_harm(core: Core) -> None:
    await asyncio.gather(*(consumer(core, f"c{n}").join() for n in range(10)))

    groups = await core.server.call("XINFO", "GROUPS", core.shards[0].journal("tasks"))
    assert len(groups) == 1


async def test_what_a_dead_consumer_held_is_claimed_and_an_acknowledged_entry_is_not(core: Core) -> None:
    dead, living = consumer(core, "dead"), consumer(core, "living")
    await dead.join()
    await fill(core, 3)
    held = await dead.read(count=10, block_ms=1)
    await dead.ack([held[0][0]])

    assert await living.claim(idle_ms=60_000, count=10) == []
    assert await living.claim(idle_ms=0, count=10) == held[1:]


async def test_a_reader_whose_data_was_removed_joins_anew_and_goes_on(fast: Core) -> None:
    reader = consumer(fast, "one")
    await reader.join()
    await fast.server.call("FLUSHALL")

    assert await reader.read(count=10, block_ms=1) == []
    assert await reader.claim(idle_ms=0, count=10) == []
    await fast.create()
    assert len(await reader.read(count=10, block_ms=1)) == 1


async def test_only_consumers_that_are_gone_and_hold_nothing_are_forgotten(core: Core) -> None:
    holding, gone, own = consumer(core, "holding"), consumer(core, "gone"), consumer(core, "own")
    await own.join()
    await fill(core, 3)
    await holding.read(count=1, block_ms=1)
    for each in (gone, own):
        await each.ack([each_entry for each_entry, _ in await each.read(count=1, block_ms=1)])

    await own.forget_idle(idle_ms=-1)

    consumers = await core.server.call("XINFO", "CONSUMERS", own.stream, GROUP)
    assert {flat[1] for flat in consumers} == {"holding", "own"}
