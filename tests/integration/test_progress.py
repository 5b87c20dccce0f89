"""How far a journal is applied: stretches in any order, gaps, and who closes those that somebody left."""

import asyncio
import itertools
import random
from collections.abc import Sequence

import msgspec
import pytest

from duestream.applying import TASKS, apply
from duestream.events import Transition
from duestream.group import PROJECTOR, Consumer, Raw
from duestream.journal import Command
from duestream.lag import lags
from duestream.lifecycle import wait
from duestream.tasks import TaskCreated
from projector.gaps import close_gaps
from projector.projection import Projection
from projector.recovery import Recovery
from tests.core import ORIGIN, Core, projector_of


async def fill(core: Core, count: int) -> list[Raw]:
    """Tasks of which some live in shard 0; the entries of those."""
    for _ in range(count * len(core.shards)):
        await core.create()
    return [(entry, fields) for keys, entry, fields in await core.raw() if keys is core.shards[0]]


async def through(core: Core) -> str:
    found: str | None = await core.server.call("HGET", core.shards[0].progress("tasks"), "through")
    return found or ""


async def left(core: Core) -> int:
    """Entries that are not applied, as the lag has it."""
    return sum(lag.entries for lag in await lags(core.server, [core.shards[0]]))


async def account(core: Core, stretch: Sequence[Raw]) -> None:
    await apply(core.server, core.shards[0], TASKS, stretch)


@pytest.mark.parametrize("seed", range(6))
async def test_stretches_in_any_order_leave_no_gap_in_the_end(core: Core, seed: int) -> None:
    dice = random.Random(seed)
    await core.consumers[0].join()
    entries = await fill(core, 40)
    cuts = sorted({0, len(entries), *dice.sample(range(len(entries)), 12)})
    stretches = [entries[start:end] for start, end in itertools.pairwise(cuts)]
    dice.shuffle(stretches)

    applied: set[str] = set()
    for stretch in stretches:
        await account(core, stretch)
        applied |= {entry for entry, _ in stretch}
        whole = [n for n, (entry, _) in enumerate(entries) if entry not in applied]
        upto = whole[0] if whole else len(entries)
        assert await through(core) == (entries[upto - 1][0] if upto else "")
        assert await left(core) == len(entries) - upto

    assert await core.server.call("HLEN", core.shards[0].progress("tasks")) == 2


@pytest.mark.parametrize("seed", range(6))
async def test_what_is_applied_again_is_counted_once(core: Core, seed: int) -> None:
    """A slow projector and one who took its work over, at the same entries, cut otherwise."""
    dice = random.Random(seed)
    await core.consumers[0].join()
    entries = await fill(core, 30)
    slow, ahead = entries[5:20], entries[20:]
    for start in range(0, len(ahead), 4):
        await account(core, ahead[start : start + 4])
    await account(core, entries[:5])
    if seed % 2:
        await account(core, entries[5 : 5 + dice.randint(1, 14)])

    await close_gaps(core.consumers[0], core.shards[0], TASKS, upto=entries[-1][0])
    assert (await through(core), await left(core)) == (entries[-1][0], 0)
    await account(core, slow)
    await account(core, entries[dice.randint(0, 10) : dice.randint(11, 30)])

    assert (await through(core), await left(core)) == (entries[-1][0], 0)
    assert await core.server.call("HLEN", core.shards[0].progress("tasks")) == 2
    (more,) = (await fill(core, 1))[len(entries) :]
    assert await left(core) == 1
    await account(core, [more])
    assert await left(core) == 0


async def test_an_entry_that_was_put_aside_is_not_put_aside_again(fast: Core) -> None:
    keys, consumer = fast.shards[0], fast.consumers[0]
    await consumer.join()
    await fast.server.call("XADD", keys.journal("tasks"), "*", "type", "task.exploded")
    batch = await consumer.read(count=10, block_ms=1)

    for _ in range(2):
        await account(fast, batch)

    assert await fast.server.call("XLEN", keys.dead()) == 1


async def test_a_gap_ends_where_somebody_has_gone_on(core: Core) -> None:
    keys = core.shards[0]
    entries = await fill(core, 10)
    names = [keys.progress("tasks"), keys.journal("tasks")]
    await account(core, entries[:2])
    await account(core, entries[6:8])

    async def gap(upto: str, count: int = 100) -> list[str]:
        return [entry for entry, _ in await core.server.run("gap", names, [upto, count])]

    ids = [entry for entry, _ in entries]
    assert await gap(ids[9]) == ids[2:6]
    assert await gap(ids[9], 3) == ids[2:5]
    assert await gap(ids[3]) == ids[2:4]
    assert await gap(ids[1]) == await gap("") == []


@pytest.mark.parametrize(
    ("wanted", "done"), [("5-1", 1), ("5-2", 1), ("5-10", 0), ("6-0", 0), ("70-0", 0)], ids=lambda value: str(value)
)
async def test_the_horizon_compares_entry_ids_as_numbers(core: Core, wanted: str, done: int) -> None:
    keys = core.shards[0]
    batch = []
    for entry in ("5-1", "5-2", "5-10", "6-0", "70-0"):
        await core.server.call("XADD", keys.journal("tasks"), entry, "a", "b")
        batch.append((entry, ["a", "b"]))
    await account(core, batch[:2])
    await account(core, batch[3:4])  # nobody has 5-10 and 70-0

    names = [keys.progress("tasks"), keys.journal("tasks")]
    assert await core.server.run("horizon", names, [wanted]) == [wanted, done]


async def test_nothing_that_a_projector_is_given_stays_pending(core: Core) -> None:
    consumer = core.consumers[0]
    await consumer.join()
    await fill(core, 3)

    assert len(await consumer.read(count=10, block_ms=1)) == 3

    assert (await core.server.call("XPENDING", consumer.stream, consumer.group))[0] == 0


async def test_recovery_applies_what_a_dead_projector_was_given(core: Core) -> None:
    keys, dead = core.shards[0], core.consumers[0]
    await dead.join()
    entries = await fill(core, 5)
    assert len(await dead.read(count=3, block_ms=1)) == 3
    stop = asyncio.Event()
    recovery = Recovery(projector_of(core.server, keys, "living"), keys, TASKS, stop)

    async with asyncio.timeout(15):
        while await left(core) > 2:
            await recovery.once()

    assert await through(core) == entries[2][0]  # what nobody was given is left to those who read
    assert not await wait(stop, 0.001)


async def test_what_was_given_a_moment_ago_is_left_to_who_has_it(core: Core) -> None:
    keys, busy = core.shards[0], core.consumers[0]
    await busy.join()
    await fill(core, 5)
    await busy.read(count=5, block_ms=1)

    await Recovery(projector_of(core.server, keys, "living"), keys, TASKS, asyncio.Event()).once()

    assert await left(core) == 5


async def test_a_projector_that_is_stopped_applies_what_it_was_given_before_it_goes(core: Core) -> None:
    keys, stopping = core.shards[0], projector_of(core.server, core.shards[0], "stopping")
    await stopping.join()
    ids = [fields[3] for _, fields in await fill(core, 5)]
    await stopping.read(count=3, block_ms=1)  # and the stop comes before the answer
    stop = asyncio.Event()
    stop.set()

    await Projection(stopping, keys, TASKS, stop).once()

    assert None not in [await core.tasks.get(int(id), fresh=False) for id in ids[:3]]


async def test_what_was_asked_for_ahead_is_applied_before_it_goes(core: Core) -> None:
    """Its second batch is given to it while it applies the first, and the stop comes before the answer."""
    keys, stop = core.shards[0], asyncio.Event()

    class Stopped(Consumer):
        reads = 0

        async def read(self, *, count: int, block_ms: int) -> list[Raw]:
            found = await super().read(count=count, block_ms=block_ms)
            self.reads += 1
            if self.reads == 2:
                stop.set()
                await asyncio.Event().wait()
            return found

    stopping = Stopped(core.server, keys.journal("tasks"), group=PROJECTOR, name="stopping", accounts=True)
    await stopping.join()
    entries = await fill(core, 5)

    projection = Projection(stopping, keys, msgspec.structs.replace(TASKS, batch=3), stop)

    async with asyncio.timeout(15):
        while not stop.is_set():
            await projection.once()

    assert stopping.reads == 2
    assert (await through(core), await left(core)) == (entries[-1][0], 0)


async def test_many_entries_are_applied_by_several_calls_and_accounted_for_by_the_last(fast: Core) -> None:
    await fast.consumers[0].join()
    for _ in range(3):
        await fast.journal.append(Command(ORIGIN, [Transition(TaskCreated(title="one of many"))] * 400))
    entries = [(entry, fields) for _, entry, fields in await fast.raw()]

    assert await apply(fast.server, fast.shards[0], TASKS, entries) == len(entries) == 1200

    assert (await through(fast), await left(fast)) == (entries[-1][0], 0)
    assert await fast.models_equal_the_fold()
