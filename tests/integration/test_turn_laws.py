"""Laws of turns over concurrent histories: whatever several visitors do at once, the journal tells of one fair line."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from duestream.queues import QueueSettings
from duestream.turns import TurnRefused
from tests.stores import Store
from tests.turns import ORIGIN, Hall, broken_laws, hall_on, label_of

VISITORS = 4
_LABELS = st.integers(0, 7).map(label_of)
_ACTS = st.one_of(
    st.tuples(st.just("take"), st.just("")),
    st.tuples(st.sampled_from(["claim", "finish", "leave"]), _LABELS),
    st.tuples(st.just("schedule"), st.just("")),
    st.tuples(st.just("pass"), st.just("")),
    st.tuples(st.just("counters"), st.sampled_from(["1", "2", "3"])),
)
ROUNDS = st.lists(st.lists(st.tuples(st.integers(0, VISITORS - 1), _ACTS), min_size=1, max_size=12), max_size=10)
MOMENT = 0.012  # seconds that somebody has to come, or is served


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def valkeys(_valkey: Store) -> Store:
    """One for all examples: each begins with nothing there."""
    return _valkey


@given(rounds=ROUNDS, counters=st.integers(1, 3))
@settings(max_examples=25, phases=(Phase.generate,), deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_visitors_do_at_once_the_line_is_fair(
    rounds: list[list[tuple[int, tuple[str, str]]]], counters: int, valkeys: Store, loop: asyncio.Runner
) -> None:
    queue = "cats"

    async def history() -> list[str]:
        valkeys.flush()
        async with hall_on(valkeys) as hall:
            desks = [hall.another_desk() for _ in range(VISITORS)]

            async def act(visitor: int, what: str, argument: str) -> None:
                desk = desks[visitor]
                try:
                    match what:
                        case "take":
                            await desk.take(queue, ORIGIN)
                        case "claim" | "finish" | "leave":
                            await getattr(desk, what)(queue, argument, ORIGIN)
                        case "schedule":
                            await hall.schedule()
                        case "pass":
                            await asyncio.sleep(MOMENT / 2)  # so that deadlines fall among what is done
                        case "counters":
                            await configure(hall, int(argument))
                except TurnRefused:
                    pass  # that is among what may happen

            async def configure(hall: Hall, counters: int) -> None:
                changed = QueueSettings(claim_seconds=MOMENT, serve_seconds=MOMENT, counters=counters)
                await hall.desk.configure(queue, changed, ORIGIN)

            await configure(hall, counters)
            for acts in rounds:
                await asyncio.gather(*(act(visitor, *what) for visitor, what in acts))
            return broken_laws(await hall.entries()) + await hall.verify()

    assert loop.run(history()) == []


def test_fewer_counters_send_nobody_away_who_is_served(valkeys: Store, loop: asyncio.Runner) -> None:
    async def history() -> tuple[list[str], list[str]]:
        valkeys.flush()
        async with hall_on(valkeys) as hall:
            await hall.open(counters=2)
            await hall.take(4)
            await hall.desk.claim("cats", "A00", ORIGIN)
            await hall.desk.claim("cats", "A01", ORIGIN)
            await hall.open(counters=1)
            await hall.desk.finish("cats", "A00", ORIGIN)
            told = await hall.told()
            await hall.desk.finish("cats", "A01", ORIGIN)
            return told[-1:], (await hall.told())[-1:]

    assert loop.run(history()) == (["served A00"], ["called A02"])
