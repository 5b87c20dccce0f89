"""Random histories of commands through the real scripts, projected in any order, any number of times."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duestream.applying import TASKS, apply
from duestream.errors import Refused
from duestream.events import Event
from duestream.server import connect
from duestream.tasks import TaskCreated, TaskDeleted, TasksCleared
from tests.core import ORIGIN, Core
from tests.stores import Store
from tests.unit.histories import creations, notices, updates

commands: st.SearchStrategy[Event] = st.one_of(
    creations, updates, updates, notices, st.just(TaskDeleted()), st.just(TasksCleared(through=0))
)


async def carry_out(core: Core, history: list[tuple[Event, int]]) -> dict[str, int]:
    """Carry out commands; the revisions that the tasks that are left must be at."""
    made: list[str] = []
    alive: dict[str, int] = {}
    for event, pick in history:
        if isinstance(event, TaskCreated):
            made.append((await core.append(event)).ids[0])
            alive[made[-1]] = 1
        elif isinstance(event, TasksCleared):
            assert await core.journal.clear(ORIGIN, TasksCleared.type) == len(alive)
            alive.clear()
        elif made:
            id = made[pick % len(made)]
            if id not in alive:
                with pytest.raises(Refused):
                    await core.append(event, id)
                continue
            alive[id] = (await core.append(event, id)).revs[0]
            if isinstance(event, TaskDeleted):
                del alive[id]
    return alive


async def deliver(core: Core, order: Any) -> None:
    """Apply every entry at least once, some again, in any order, in batches of any size."""
    entries: list[Any] = [(entry, fields) for _, entry, fields in await core.raw()]
    if not entries:
        return
    again = order.draw(st.lists(st.sampled_from(entries), max_size=5), label="delivered again")
    picks = order.draw(st.permutations(entries + again), label="order")
    while picks:
        size = order.draw(st.integers(1, 4), label="batch")
        await apply(core.server, core.shards[0], TASKS, picks[:size], stretch=False)
        picks = picks[size:]


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(history=st.lists(st.tuples(commands, st.integers(0, 5)), max_size=12), order=st.data())
def test_models_equal_the_fold_however_entries_are_delivered(
    valkey: Store, history: list[tuple[Event, int]], order: Any
) -> None:
    async def run() -> None:
        async with connect(valkey.url) as server:
            core = Core(server, 1)
            alive = await carry_out(core, history)
            await deliver(core, order)
            await core.sweep()

            assert await core.models_equal_the_fold()
            assert {id: int((await core.model(id))["rev"]) for id in alive} == alive
            assert {id for id in alive if await core.head(id) == f"{alive[id]} open"} == set(alive)

    valkey.flush()
    asyncio.run(run())
