"""Turns: events fold to the same models in any order, waiting times, spans of bans."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duestream import instants, queues
from duestream.changes import fold, model_of
from duestream.errors import Misuse
from duestream.events import Entry, Event, Unreadable, data_of
from duestream.queues import (
    CALLED,
    SERVING,
    WAITING,
    ClientBanned,
    ClientUnbanned,
    QueueConfigured,
    TokenCalled,
    TokenClaimed,
    TokenLapsed,
    TokenLeft,
    TokenServed,
    TokenTaken,
    ban_ms,
    eta,
    project,
)

START = 1_795_000_000_000
LIVES: list[tuple[type[Event], ...]] = [
    (TokenTaken,),
    (TokenTaken, TokenLeft),
    (TokenTaken, TokenCalled),
    (TokenTaken, TokenCalled, TokenLapsed),
    (TokenTaken, TokenCalled, TokenLeft),
    (TokenTaken, TokenCalled, TokenClaimed),
    (TokenTaken, TokenCalled, TokenClaimed, TokenServed),
]


def entry(n: int, id: str, rev: int, event: Event) -> Entry:
    at = instants.stamp_ms(START + n)
    return Entry(f"{START + n}-0", event.type, id, rev, at, "test", data_of(event).decode())


def of_token(kind: type[Event], label: str, n: int) -> Event:
    if kind in (TokenCalled, TokenClaimed):
        return kind(label=label, expires_at=instants.stamp_ms(START + n + 60_000), waiting=1)
    return kind(label=label, waiting=1)


@st.composite
def histories(draw: st.DrawFn) -> list[Entry]:
    """Queues, tokens and bans at any point of their lives."""
    made: list[Entry] = []
    for queue in ("cats", "dogs"):
        for rev in range(1, draw(st.integers(1, 3)) + 1):
            made.append(entry(len(made), queue, rev, QueueConfigured(counters=rev)))
        for number, life in enumerate(draw(st.lists(st.sampled_from(LIVES), max_size=4)), 1):
            label = f"A{number:02}"
            for rev, kind in enumerate(life, 1):
                made.append(entry(len(made), f"{queue}/{label}/{number}", rev, of_token(kind, label, len(made))))
    for number in range(draw(st.integers(0, 2))):
        ends_at = draw(st.sampled_from(["", instants.stamp_ms(START + 5000)]))
        made.append(entry(len(made), f"@1.2.3.4/{number}", 1, ClientBanned("1.2.3.4", "it cheated", ends_at)))
        if draw(st.booleans()):
            made.append(entry(len(made), f"@1.2.3.4/{number}", 2, ClientUnbanned("1.2.3.4")))
    return made


@given(histories(), st.randoms(use_true_random=False))
def test_events_in_any_order_any_number_of_times_fold_to_the_same_models(
    history: list[Entry], chance: random.Random
) -> None:
    expected = fold(map(project, history))

    shuffled = history + chance.choices(history, k=len(history))
    chance.shuffle(shuffled)
    found = fold(map(project, shuffled))

    assert found == expected
    assert {id: model_of(change) for id, change in found.items()} == {
        id: model_of(change) for id, change in expected.items()
    }


@given(histories())
def test_every_entity_stands_in_one_of_the_lists_that_its_changes_name(history: list[Entry]) -> None:
    changes = fold(map(project, history))

    for id, change in changes.items():
        assert change.gone or change.place in queues.places([change]), id
        assert change.gone or change.state["place"] == change.place
        assert " " not in change.place


def test_who_is_called_or_served_is_due_at_the_deadline_and_listed_by_it() -> None:
    called = project(entry(1, "cats/A00/7", 2, of_token(TokenCalled, "A00", 1)))
    waiting = project(entry(0, "cats/A00/7", 1, of_token(TokenTaken, "A00", 0)))

    assert (waiting.place, waiting.number, waiting.due) == ("cats:waiting", 7, None)
    assert (called.place, called.number, called.due) == ("cats:called", START + 60_001, START + 60_001)
    assert {CALLED, SERVING, WAITING} == set(queues.LIVE)


@pytest.mark.parametrize(
    ("id", "event"),
    [
        ("cats", TokenTaken(label="A00")),
        ("cats/A00", TokenTaken(label="A00")),
        ("cats/A00/x", TokenTaken(label="A00")),
        ("cats/A00/1", QueueConfigured()),
        ("../x", QueueConfigured()),
        ("1.2.3.4", ClientBanned("1.2.3.4", "it cheated")),
        ("cats/A00/1", TokenCalled(label="A00", expires_at="soon")),
    ],
)
def test_what_makes_no_sense_is_put_aside(id: str, event: Event) -> None:
    with pytest.raises(Unreadable):
        project(entry(0, id, 1, event))


def test_a_queues_settings_are_written_whole_so_that_they_mean_the_same_when_defaults_change() -> None:
    assert set(msgspec.json.decode(data_of(QueueConfigured()))) == set(QueueConfigured.__struct_fields__)


@pytest.mark.parametrize(
    ("text", "ms"), [("forever", -1), ("none", 0), ("90s", 90_000), ("1h30m", 5_400_000), ("7d", 604_800_000)]
)
def test_a_ban_lasts_for_ever_or_not_at_all_or_for_a_span(text: str, ms: int) -> None:
    assert ban_ms(text) == ms


def test_a_ban_of_no_known_length_is_refused() -> None:
    with pytest.raises(Misuse, match=r"expected forever, none or a time span .* got 'always'"):
        ban_ms("always")


@pytest.mark.parametrize(
    ("before", "counters", "turns", "expected"),
    [
        (3, 1, [], None),
        (0, 1, [60_000], (0, 60)),
        (3, 1, [60_000], (180, 240)),
        (3, 2, [60_000], (60, 120)),
        (1, 1, [10_000, 20_000, 30_000, 40_000], (20, 60)),
    ],
)
def test_how_long_one_has_to_wait_is_told_from_the_last_turns(
    before: int, counters: int, turns: list[int], expected: tuple[int, int] | None
) -> None:
    assert eta(before, counters, turns) == expected


@given(st.integers(0, 500), st.integers(1, 9), st.lists(st.integers(0, 10**7), min_size=1, max_size=20))
def test_a_waiting_time_is_a_range_that_grows_with_the_line(before: int, counters: int, turns: list[int]) -> None:
    found, further = eta(before, counters, turns), eta(before + 1, counters, turns)

    assert found is not None
    assert further is not None
    assert 0 <= found[0] <= found[1]
    assert further[0] >= found[0]
    assert further[1] >= found[1]
