"""Turns on a real server: every decision is one atomic step, whoever asks."""

import asyncio

import msgspec
import pytest

from duestream import instants
from duestream.queues import CALLED, WAITING, token_in
from duestream.scripts import _source
from duestream.turns import (
    NoQueue,
    NoToken,
    NotYourTurn,
    Over,
    Standing,
)
from tests.running import until
from tests.turns import ORIGIN, QUICK, Hall, broken_laws, label_of, passed

ANN, BOB = "192.0.2.1", "192.0.2.2"


async def test_the_first_is_called_at_once_and_the_others_stand_in_line(hall: Hall) -> None:
    first, second, third = [await hall.desk.take("cats", ORIGIN) for _ in range(3)]

    assert (first.label, first.status, first.ahead) == ("A00", CALLED, 0)
    assert (second.label, second.status, second.ahead) == ("A01", WAITING, 1)
    assert (third.label, third.status, third.ahead) == ("A02", WAITING, 2)
    assert first.deadline == first.now + 60_000
    assert await hall.verify() == []


async def test_many_who_come_at_once_get_one_token_each_in_one_order(hall: Hall) -> None:
    desks = [hall.another_desk() for _ in range(3)]

    taken = await asyncio.gather(*(desks[n % 3].take("cats", ORIGIN) for n in range(300)))

    assert sorted(token.number for token in taken) == list(range(1, 301))
    assert {token.label for token in taken} == {label_of(n) for n in range(300)}
    assert broken_laws(await hall.entries()) == []
    assert await hall.verify() == []


async def test_a_label_that_is_free_is_given_again_smallest_first_before_a_new_one(quick: Hall) -> None:
    await quick.take(6)
    for label in ("A04", "A01", "A02"):
        await quick.desk.leave("cats", label, ORIGIN)

    assert await quick.take(4) == ["A01", "A02", "A04", "A06"]
    assert (await quick.turns.find("cats", "A01", address=ANN)).number == 7
    assert broken_laws(await quick.entries()) == []


async def test_labels_are_those_of_the_order_also_where_letters_are_doubled(quick: Hall) -> None:
    source = _source("_labels")
    ask = f"{source}\nlocal l = label_of(tonumber(ARGV[1])) return {{l, index_of(l)}}"

    for index in (0, 1, 99, 100, 2599, 2600, 2601, 70_199, 70_200, 1_827_799, 1_827_800):
        assert await quick.server.call("EVAL", ask, 0, index) == [label_of(index), index]
    assert [label_of(n) for n in (0, 2599, 2600)] == ["A00", "Z99", "AA00"]


async def test_when_all_2600_labels_wait_the_next_are_doubled_and_single_ones_still_come_first(quick: Hall) -> None:
    await asyncio.gather(*(quick.desk.take("cats", ORIGIN) for _ in range(2600)))

    assert await quick.take(2) == ["AA00", "AA01"]
    await quick.desk.leave("cats", "AA00", ORIGIN)
    await quick.desk.leave("cats", "Z99", ORIGIN)
    assert await quick.take(3) == ["Z99", "AA00", "AA02"]


async def test_instants_are_those_of_the_calendar(quick: Hall) -> None:
    ask = f"{_source('_instant')}\nreturn instant(tonumber(ARGV[1]))"

    for ms in (0, 951_782_399_999, 951_782_400_000, 1_709_164_800_000, 1_795_365_584_014, 4_107_542_399_999):
        assert await quick.server.call("EVAL", ask, 0, ms) == instants.stamp_ms(ms)
    for day in range(0, 40_000, 97):
        assert await quick.server.call("EVAL", ask, 0, day * 86_400_000 + day) == instants.stamp_ms(
            day * 86_400_000 + day
        )


async def test_of_many_claims_of_one_token_at_one_moment_exactly_one_is_served(hall: Hall) -> None:
    await hall.take(2)
    desks = [hall.another_desk() for _ in range(4)]

    outcomes = await asyncio.gather(
        *(desks[n % 4].claim("cats", "A00", ORIGIN) for n in range(20)), return_exceptions=True
    )

    assert sum(isinstance(each, Standing) for each in outcomes) == 1
    assert sum(isinstance(each, Over) for each in outcomes) == 19
    assert await hall.told() == ["taken A00", "called A00", "taken A01", "claimed A00"]


async def test_of_many_tokens_claimed_at_one_moment_exactly_one_is_served(hall: Hall) -> None:
    labels = await hall.take(20)

    outcomes = await asyncio.gather(
        *(hall.desk.claim("cats", label, ORIGIN) for label in labels), return_exceptions=True
    )

    assert [type(each) for each in outcomes].count(Standing) == 1
    assert [type(each) for each in outcomes].count(NotYourTurn) == 19


async def test_who_is_not_called_yet_is_told_how_many_come_before(quick: Hall) -> None:
    await quick.take(3)

    with pytest.raises(NotYourTurn) as refused:
        await quick.desk.claim("cats", "A02", ORIGIN)

    assert refused.value.standing.ahead == 2
    assert 0 < refused.value.wait <= 60_000


async def test_a_claim_that_comes_too_late_is_refused_even_where_no_scheduler_runs(quick: Hall) -> None:
    await quick.open(claim_seconds=0.5)
    first, _ = [await quick.desk.take("cats", ORIGIN) for _ in range(2)]
    await passed(quick, first.deadline)

    with pytest.raises(Over, match="lapsed"):
        await quick.desk.claim("cats", "A00", ORIGIN)

    assert await quick.told() == ["taken A00", "called A00", "taken A01", "lapsed A00", "called A01"]


async def test_the_next_ones_time_begins_when_the_service_before_ends(quick: Hall) -> None:
    await quick.take(2)
    await quick.desk.claim("cats", "A00", ORIGIN)
    assert "called A01" not in await quick.told()

    before = await quick.clock()
    await quick.desk.finish("cats", "A00", ORIGIN)

    found = await quick.turns.find("cats", "A01", address=ANN)
    assert (found.status, found.deadline >= before + 60_000) == (CALLED, True)


async def test_those_who_stay_away_lapse_one_after_another_each_after_his_own_time(hall: Hall) -> None:
    await hall.desk.configure("cats", QUICK, ORIGIN)
    await hall.take(4)

    async def all_over() -> bool:
        await hall.schedule()
        return len([each for each in await hall.told() if each.startswith("lapsed")]) == 4

    await until(all_over, "all have lapsed")

    entries = [(entry.type, token_in(entry.id)[2]) for entry in await hall.entries() if "/" in entry.id]
    order = [(type, n) for type, n in entries if type != "token.taken"]
    assert order == [(type, n) for n in range(1, 5) for type in ("token.called", "token.lapsed")]
    assert broken_laws(await hall.entries()) == []
    assert await hall.verify() == []


async def test_who_was_called_while_no_scheduler_ran_has_his_full_time_from_then_on(quick: Hall) -> None:
    await quick.open(claim_seconds=1)
    await quick.take(3)
    await passed(quick, (await quick.turns.find("cats", "A00", address=ANN)).deadline)

    await quick.schedule()

    assert [each for each in await quick.told() if not each.startswith("taken")] == [
        "called A00",
        "lapsed A00",
        "called A01",
    ]
    last = (await quick.entries())[-1]
    expires_at = msgspec.json.decode(last.data)["expires_at"]
    assert instants.ms(expires_at) - instants.ms(last.at) == 1000


async def test_service_ends_after_its_time_and_the_next_is_called(quick: Hall) -> None:
    await quick.open(serve_seconds=0.06)
    await quick.take(1)
    served = await quick.desk.claim("cats", "A00", ORIGIN)
    await passed(quick, served.deadline)

    await quick.schedule()

    assert (await quick.told())[-1] == "served A00"


async def test_a_scheduler_that_comes_early_ends_nothing(quick: Hall) -> None:
    await quick.take(2)

    await quick.desk.settle("cats", ORIGIN)

    assert await quick.told() == ["taken A00", "called A00", "taken A01"]


async def test_who_leaves_is_not_waited_for(hall: Hall) -> None:
    await hall.take(4)

    await hall.desk.leave("cats", "A01", ORIGIN)
    await hall.desk.leave("cats", "A00", ORIGIN)

    assert (await hall.told())[-3:] == ["left A01", "left A00", "called A02"]
    with pytest.raises(Over, match="left"):
        await hall.desk.claim("cats", "A01", ORIGIN)
    assert await hall.verify() == []


async def test_as_many_are_served_as_there_are_counters_and_more_counters_call_more(quick: Hall) -> None:
    await quick.open(counters=2)
    labels = await quick.take(5)
    assert (await quick.told()).count("called A01") == 1

    await quick.open(counters=4)

    called = [each for each in await quick.told() if each.startswith("called")]
    assert called == [f"called {label}" for label in labels[:4]]
    assert broken_laws(await quick.entries()) == []


async def test_nothing_can_be_finished_that_is_not_served(quick: Hall) -> None:
    await quick.take(2)

    for label, error in (("A00", NotYourTurn), ("A01", NotYourTurn), ("Q77", NoToken)):
        with pytest.raises(error):
            await quick.desk.finish("cats", label, ORIGIN)
    with pytest.raises(NoToken):
        await quick.desk.finish("cats", "", ORIGIN)  # nobody is served
    with pytest.raises(NoToken):
        await quick.desk.leave("cats", "Q77", ORIGIN)


async def test_what_is_asked_of_no_queue_is_refused_and_writes_nothing(quick: Hall) -> None:
    for asking in (
        quick.desk.take("dogs", ORIGIN),
        quick.desk.claim("dogs", "A00", ORIGIN, address=ANN),
        quick.desk.settle("dogs", ORIGIN),
    ):
        with pytest.raises(NoQueue):
            await asking

    assert [entry.id for entry in await quick.entries()] == ["cats"]


async def test_queues_do_not_mix(quick: Hall) -> None:
    await quick.open("dogs")

    assert await quick.take(2, "cats") == ["A00", "A01"]
    assert await quick.take(2, "dogs") == ["A00", "A01"]
    await quick.desk.leave("cats", "A00", ORIGIN)

    assert (await quick.turns.find("dogs", "A00", address=ANN)).status == CALLED
    assert await quick.verify() == []
