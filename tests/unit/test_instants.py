"""Points in time: read as ISO 8601, kept as text that sorts, back again without loss."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duestream import instants
from duestream.errors import Misuse

BERLIN = ZoneInfo("Europe/Berlin")
zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=zones)


@given(moments)
def test_what_was_given_is_stored_to_the_microsecond(at: datetime) -> None:
    assert instants.parse(at.isoformat(), None) == at
    assert instants.parse(instants.exact(at), BERLIN) == at
    assert datetime.fromisoformat(instants.shown(instants.exact(at))) == at


@given(moments, moments)
def test_stored_texts_sort_as_the_moments_do(one: datetime, other: datetime) -> None:
    assert (instants.exact(one) < instants.exact(other)) == (one < other)
    assert (instants.ms(instants.exact(one)) <= instants.ms(instants.exact(other))) or one > other


@given(st.integers(instants.ms("0001-01-01T00:00:00.000Z"), instants.ms("9999-12-31T23:59:59.999Z")))
def test_ms_and_their_stamp_are_inverse(at: int) -> None:
    assert instants.ms(instants.stamp_ms(at)) == at
    assert len(instants.stamp_ms(at)) == len("2026-11-22T12:00:00.123Z")


@given(moments, st.timedeltas(min_value=timedelta(0)))
def test_going_back_in_time_ends_at_year_1(at: datetime, span: timedelta) -> None:
    before = instants.before(at, span)

    assert before == instants.EARLIEST or at - before == span


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-11-22", "2026-11-21T23:00:00.000000Z"),
        ("2026-11-22T18:30", "2026-11-22T17:30:00.000000Z"),
        ("2026-11-22 18:30:00", "2026-11-22T17:30:00.000000Z"),
        ("2026-07-22T18:30:00", "2026-07-22T16:30:00.000000Z"),
        ("2026-11-22t18:30:00z", "2026-11-22T18:30:00.000000Z"),
        ("2026-11-22T18:30:00,5+0530", "2026-11-22T13:00:00.500000Z"),
        ("2026-11-22T18:30:00.123456789-08", "2026-11-23T02:30:00.123456Z"),
        ("2026-10-25T02:30:00", "2026-10-25T00:30:00.000000Z"),  # twice that night; the first
        ("2026-03-29T02:30:00", "2026-03-29T01:30:00.000000Z"),  # never that night
        ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00.000000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_a_time_without_an_offset_is_in_the_zone_and_one_with_it_is_not(text: str, meant: str) -> None:
    assert instants.exact(instants.parse(text, BERLIN)) == meant


def test_without_a_zone_the_machines_own_is_meant() -> None:
    local = datetime(2026, 11, 22, 18, 30).astimezone()

    assert instants.parse("2026-11-22T18:30:00", None) == local


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-29",
        "2026-13-01",
        "2026-00-10",
        "2026-11-22T25:00:00Z",
        "2026-11-22T12:60:00Z",
        "2026-11-22T12:00:00+25:00",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "0000-01-01",
    ],
)
def test_a_date_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a date and time that exists"):
        instants.parse(text, UTC)


@pytest.mark.parametrize("text", ["", "now", "1764000000", "20261122", "2026-W47", "22.11.2026", "x" * 999])
def test_what_is_no_iso_8601_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected an ISO 8601 date and time"):
        instants.parse(text, UTC)


@pytest.mark.parametrize("text", ["2026-11-22\n", "２０２６-11-22"])
def test_what_only_looks_like_it_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        instants.parse(text, UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T12:00:00",
        "2026-11-22",
        "soon",
        "",
        "2026-W47-7T12:00:00.123Z",
        "2026-11-22 12:00:00.123Z",
        "2026-11-22T12:00:00,123Z",
        "2026-11-22T12:00:00.123z",
        "2026-11-31T12:00:00.123Z",
        "2026-11-22T12:00+00:00:0Z",
        "２026-11-22T12:00:00.123Z",
    ],
)
def test_what_is_no_stored_instant_is_refused(text: str) -> None:
    for read in (instants.ms, instants.check, instants.check_stamp):
        with pytest.raises(ValueError):
            read(text)


@given(moments, st.sampled_from([instants.stamp, instants.exact]), st.integers(0, 26), st.characters(codec="utf-8"))
def test_one_wrong_character_makes_no_stored_instant(
    at: datetime, written: Callable[[datetime], str], place: int, wrong: str
) -> None:
    text = written(at)
    changed = text[:place] + wrong + text[place + 1 :]

    try:
        read = instants.stored(changed)
    except ValueError:
        return
    assert written(read) == changed


def test_a_whole_second_is_shown_without_a_fraction_and_whole_milliseconds_as_these() -> None:
    assert instants.shown("2026-11-22T12:00:00.000000Z") == "2026-11-22T12:00:00Z"
    assert instants.shown("2026-11-22T12:00:00.500000Z") == "2026-11-22T12:00:00.500Z"
    assert instants.shown("2026-11-22T12:00:00.500001Z") == "2026-11-22T12:00:00.500001Z"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("0.25s", 0.25), ("15m", 900), ("1h30m", 5400), ("7d", 604_800), (" 1D2H ", 93_600)],
)
def test_a_span_is_read(text: str, seconds: float) -> None:
    assert instants.span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", " ", "-5s", "5x", "m", "1m1h", "1.5h", "1e9", "9" * 17 + "d", "9" * 400])
def test_a_span_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Misuse, match="expected a time span"):
        instants.span(text)
