"""Entries and events: read as written, and refused with a reason where that is impossible."""

import msgspec
import pytest
from hypothesis import given

from duestream.events import Event, Unreadable, data_of, entry_of
from duestream.tasks import EVENTS, STEPS, TaskCreated, TaskExpiring
from tests.unit.histories import AT, entry, events

FIELDS = {"type": "task.created", "id": "1", "rev": "1", "at": AT, "by": "me", "v": "1", "data": '{"title":"x"}'}


def flat(**changes: str | None) -> list[str]:
    pairs = {**FIELDS, **changes}.items()
    return [part for name, value in pairs if value is not None for part in (name, value)]


@given(events)
def test_encoding_and_decoding_are_inverse(event: Event) -> None:
    assert EVENTS.decode(entry(event, id="1", rev=1, n=1)) == event


def test_an_entry_is_read_whatever_the_order_of_its_fields_and_whatever_else_it_has() -> None:
    fields = [*flat()[2:], *flat()[:2], "colour", "red"]

    found = entry_of("5-0", fields)

    assert (found.entry, found.type, found.rev, found.cause, found.trace) == ("5-0", "task.created", 1, "", "")


@pytest.mark.parametrize("name", FIELDS)
def test_an_entry_without_a_field_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(Unreadable, match=f"field '{name}' is missing"):
        entry_of("5-0", flat(**{name: None}))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rev": "x"}, "whole numbers"),
        ({"v": ""}, "whole numbers"),
        ({"rev": "0"}, "1 or more"),
        ({"rev": "-1"}, "1 or more"),
        ({"v": "2"}, "schema version 2 is newer"),
    ],
)
def test_an_entry_with_an_impossible_number_is_refused(changes: dict[str, str], reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        entry_of("5-0", flat(**changes))


@pytest.mark.parametrize("data", ["", "{", "[]", '{"title":1}', "{}", '{"title":"x","a":' + "[" * 99_999])
def test_data_that_is_not_the_event_is_refused(data: str) -> None:
    with pytest.raises(Unreadable, match="field 'data'"):
        EVENTS.decode(entry_of("5-0", flat(data=data)))


def test_an_unknown_type_is_refused_and_an_unknown_field_of_a_known_one_is_not() -> None:
    with pytest.raises(Unreadable, match=r"type 'task\.exploded' is not known"):
        EVENTS.decode(entry_of("5-0", flat(type="task.exploded")))

    assert EVENTS.decode(entry_of("5-0", flat(data='{"title":"x","later":1}'))) == TaskCreated(title="x")


def test_every_event_of_a_step_is_immutable_and_has_a_tag_of_its_own() -> None:
    assert len({event.type for event in STEPS}) == len(STEPS)
    with pytest.raises(AttributeError):
        TaskCreated(title="x").title = "y"  # type: ignore[misc]


def test_what_is_not_given_is_not_written() -> None:
    assert data_of(TaskCreated(title="x")) == b'{"title":"x"}'
    assert "description" in msgspec.json.decode(
        data_of(TaskExpiring(title="x", expiry_dt=AT, update_dt=AT, notice="n", due_dt=AT, description="d"))
    )


@pytest.mark.parametrize("more", [[], ["cause", "c"], ["trace", "t"], ["cause", "c", "trace", "t"], ["other", "o"]])
def test_the_order_of_an_entrys_fields_says_nothing(more: list[str]) -> None:
    usual = ["type", "task.created", "id", "7", "rev", "3", "at", "now", "by", "me", "v", "1", "data", "{}", *more]
    pairs = list(zip(usual[::2], usual[1::2], strict=True))

    turned = [part for pair in reversed(pairs) for part in pair]

    assert entry_of("5-0", usual) == entry_of("5-0", turned)


@pytest.mark.parametrize(("field", "value"), [("rev", "0"), ("rev", "²"), ("rev", "x"), ("v", "0"), ("v", "2")])
def test_an_entry_in_the_usual_order_is_looked_at_as_closely(field: str, value: str) -> None:
    named = {"type": "a", "id": "7", "rev": "3", "at": "now", "by": "me", "v": "1", "data": "{}", field: value}

    with pytest.raises(Unreadable):
        entry_of("5-0", [part for pair in named.items() for part in pair])
