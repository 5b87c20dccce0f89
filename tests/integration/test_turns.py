"""Turns on a real server: every decision is one atomic step, whoever asks and whatever was lost on the way."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from duestream import instants
from duestream.errors import KeyReused, Unavailable
from duestream.journal import Once
from duestream.queues import CALLED, SERVING, WAITING, QueueSettings, token_in
from duestream.scripts import _source
from duestream.turns import (
    HOME,
    Banned,
    Cheated,
    EmptyQueue,
    NoQueue,
    NoToken,
    NotYourTurn,
    Over,
    QueueFull,
    Standing,
    TooOften,
    WrongCode,
    open_first_queue,
)
from tests.running import until
from tests.stores import Store
from tests.turns import ORIGIN, QUICK, Hall, broken_laws, hall_on, label_of

ANN, BOB = "192.0.2.1", "192.0.2.2"


@pytest.fixture
async def hall(store: Store) -> AsyncIterator[Hall]:
    """The queue `cats` on an empty store of each sort."""
    async with hall_on(store) as hall:
        await hall.open()
        yield hall


@pytest.fixture
async def quick(valkey: Store) -> AsyncIterator[Hall]:
    """The queue `cats` on an empty Valkey."""
    async with hall_on(valkey) as hall:
        await hall.open()
        yield hall


async def passed(hall: Hall, ms: int) -> None:
    async def later() -> bool:
        return await hall.clock() >= ms

    await until(later, "the time has passed")


# --- tokens and labels ---


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


# --- claims ---


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


# --- codes, limits ---


async def test_with_codes_nobody_takes_anothers_turn_by_guessing(quick: Hall) -> None:
    await quick.open(codes=True)
    token = await quick.desk.take("cats", ORIGIN)

    for step in (quick.desk.claim, quick.desk.leave):
        with pytest.raises(WrongCode):
            await step("cats", "A00", ORIGIN, address=BOB, code="XXXXXX")
    served = await quick.desk.claim("cats", "A00", ORIGIN, code=token.code)
    with pytest.raises(WrongCode):
        await quick.desk.finish("cats", "A00", ORIGIN)

    assert (len(token.code), served.status) == (6, SERVING)
    assert await quick.desk.claim("cats", "A00", ORIGIN, code=token.code)  # it can only be he
    assert token.code not in str(await quick.entries())
    await quick.project()
    assert token.code not in str(await quick.server.call("HGETALL", HOME.turn("cats/A00/1")))


async def test_codes_cannot_be_tried_without_end(quick: Hall) -> None:
    desk = quick.another_desk(takes_per_minute=3)
    await quick.open(codes=True)
    await quick.take(1)

    tries = [desk.claim("cats", "A00", ORIGIN, address=BOB, code=f"XXXXX{n}") for n in range(5)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)

    assert [type(each) for each in outcomes] == [WrongCode] * 3 + [TooOften] * 2


async def test_an_address_takes_so_many_tokens_a_minute_and_no_more(hall: Hall) -> None:
    desk = hall.another_desk(takes_per_minute=5)

    outcomes = await asyncio.gather(*(desk.take("cats", ORIGIN, address=ANN) for _ in range(8)), return_exceptions=True)

    assert [type(each) for each in outcomes] == [Standing] * 5 + [TooOften] * 3
    assert all(0 < each.wait <= 12_000 for each in outcomes if isinstance(each, TooOften))
    assert await desk.take("cats", ORIGIN, address=BOB)
    assert len(await hall.told()) == 6 + 1  # and one call


async def test_of_those_who_have_paid_long_ago_nothing_is_kept(quick: Hall) -> None:
    desk = quick.another_desk(takes_per_minute=1000)
    token = await desk.take("cats", ORIGIN, address=ANN)
    await passed(quick, token.now + 61)

    await desk.take("cats", ORIGIN, address=BOB)

    assert await quick.server.call("ZRANGE", HOME.takes(), 0, -1) == [BOB]


async def test_no_more_wait_than_may(quick: Hall) -> None:
    await quick.open(max_waiting=2)
    await quick.take(3)

    with pytest.raises(QueueFull):
        await quick.desk.take("cats", ORIGIN)


# --- cheaters ---


async def test_who_claims_a_token_that_was_never_given_is_banned_at_once_for_every_process(hall: Hall) -> None:
    await hall.take(1)
    other = hall.another_desk()

    with pytest.raises(Cheated, match="claimed token Q77 of queue cats, which was never given"):
        await hall.desk.claim("cats", "Q77", ORIGIN, address=ANN)

    before = len(await hall.entries())
    for asking in (
        other.take("cats", ORIGIN, address=ANN),
        other.claim("cats", "A00", ORIGIN, address=ANN),
        other.leave("cats", "A00", ORIGIN, address=ANN),
        other.finish("cats", "A00", ORIGIN, address=ANN),
        hall.turns.find("cats", "A00", address=ANN),
        hall.turns.boards.get("cats", limit=1, address=ANN, fresh=False),
    ):
        with pytest.raises(Banned, match="Q77"):
            await asking
    assert len(await hall.entries()) == before
    assert await other.claim("cats", "A00", ORIGIN, address=BOB)
    await hall.project()
    assert [(ban.address, ban.ends_at) for ban in await hall.turns.bans()] == [(ANN, "")]
    assert await hall.verify() == []


async def test_a_token_that_was_given_once_bans_nobody(quick: Hall) -> None:
    await quick.take(2)
    await quick.desk.leave("cats", "A01", ORIGIN)

    with pytest.raises(Over):
        await quick.desk.claim("cats", "A01", ORIGIN, address=ANN)

    assert await quick.desk.take("cats", ORIGIN, address=ANN)


async def test_in_an_empty_queue_nobody_cheats(quick: Hall) -> None:
    with pytest.raises(EmptyQueue):
        await quick.desk.claim("cats", "Q77", ORIGIN, address=ANN)

    assert await quick.desk.take("cats", ORIGIN, address=ANN)


async def test_what_stands_in_a_label_gets_into_no_reason(quick: Hall) -> None:
    await quick.take(1)

    with pytest.raises(Cheated, match=r"^claimed a token of queue cats, which was never given$"):
        await quick.desk.claim("cats", '"}<script>', ORIGIN, address=ANN)


async def test_a_ban_ends_by_hand_and_the_next_one_is_another(hall: Hall) -> None:
    await hall.take(1)
    for _ in range(2):
        with pytest.raises(Cheated):
            await hall.desk.claim("cats", "Q77", ORIGIN, address=ANN)
        assert await hall.desk.unban(ANN, ORIGIN)
        assert await hall.turns.find("cats", "A00", address=ANN)

    assert not await hall.desk.unban(ANN, ORIGIN)
    await hall.project()
    assert await hall.turns.bans() == []
    assert await hall.verify() == []


async def test_a_ban_for_a_time_ends_by_itself(quick: Hall) -> None:
    desk = quick.another_desk(ban="0.5s")
    await quick.take(1)
    with pytest.raises(Cheated) as cheated:
        await desk.claim("cats", "Q77", ORIGIN, address=ANN)
    await passed(quick, cheated.value.ends)

    assert await desk.take("cats", ORIGIN, address=ANN)  # whether or not a scheduler has looked
    await quick.schedule()

    assert (await quick.entries())[-1].type == "client.unbanned"
    await quick.project()
    assert await quick.turns.bans() == []
    assert await quick.verify() == []


async def test_who_cheats_again_when_his_ban_has_ended_is_banned_again(quick: Hall) -> None:
    desk = quick.another_desk(ban="0.05s")
    await quick.take(1)
    for _ in range(2):  # no scheduler looks in between
        with pytest.raises(Cheated) as cheated:
            await desk.claim("cats", "Q77", ORIGIN, address=ANN)
        await passed(quick, cheated.value.ends)

    types = [entry.type for entry in await quick.entries() if entry.type.startswith("client.")]
    assert types == ["client.banned", "client.unbanned", "client.banned"]
    assert await quick.verify() == []


@pytest.mark.parametrize(("of_queue", "of_service"), [("none", "forever"), ("", "none")])
async def test_a_queue_may_let_cheaters_be(quick: Hall, of_queue: str, of_service: str) -> None:
    desk = quick.another_desk(ban=of_service)
    await quick.open(ban=of_queue)
    await quick.take(1)

    with pytest.raises(Cheated) as cheated:
        await desk.claim("cats", "Q77", ORIGIN, address=ANN)

    assert cheated.value.reason == ""
    assert await desk.take("cats", ORIGIN, address=ANN)


# --- once ---


async def test_a_taking_that_is_sent_again_with_its_key_gets_the_same_token(hall: Hall) -> None:
    await hall.open(codes=True)
    once = Once("key", "payload")

    first = await hall.desk.take("cats", ORIGIN, once=once)
    again = await hall.another_desk().take("cats", ORIGIN, once=once)

    assert (again.label, again.number, again.code) == (first.label, first.number, first.code)
    assert len(await hall.told()) == 2
    with pytest.raises(KeyReused):
        await hall.desk.take("cats", ORIGIN, once=Once("key", "another payload"))


async def test_a_call_whose_answer_was_lost_is_carried_out_once(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, call = 0, hall.server.call

    async def losing(*command: object, **options: object) -> object:
        nonlocal asked
        said = await call(*command, **options)  # type: ignore[arg-type]
        if str(command[0]).startswith("EVAL"):
            asked += 1
            if asked % 2:
                raise Unavailable("the answer was lost")
        return said

    monkeypatch.setattr(hall.server, "call", losing)
    assert await hall.take(3) == ["A00", "A01", "A02"]

    assert await hall.told() == ["taken A00", "called A00", "taken A01", "taken A02"]


async def test_the_first_queue_is_made_once_and_left_as_it_was_made(valkey: Store) -> None:
    async with hall_on(valkey) as hall:
        await asyncio.gather(*(open_first_queue(hall.another_desk(), "test") for _ in range(5)))
        await hall.open(counters=3)
        await open_first_queue(hall.desk, "test")

        assert [(entry.type, entry.rev) for entry in await hall.entries()] == [
            ("queue.configured", 1),
            ("queue.configured", 2),
        ]
        await hall.project()
        assert await hall.turns.queues() == [("cats", QueueSettings(counters=3))]


# --- read models ---


async def test_the_board_shows_the_line_and_grows_with_what_was_acknowledged(hall: Hall) -> None:
    await hall.take(5)
    await hall.desk.claim("cats", "A00", ORIGIN)
    await hall.project()

    board = await hall.turns.boards.get("cats", limit=3, address=ANN)

    assert [label for label, _ in board.serving] == ["A00"]
    assert (board.called, board.waiting, board.count) == ([], ["A01", "A02", "A03"], 4)
    assert board.entry == (await hall.entries())[-1].entry


async def test_boards_that_are_asked_for_at_one_moment_are_few_reads(
    quick: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    await quick.take(3)
    await quick.project()
    runs, run = 0, quick.server.run

    async def counting(name: str, *rest: object, **options: object) -> object:
        nonlocal runs
        runs += name == "turn_board"
        return await run(name, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(quick.server, "run", counting)
    with pytest.raises(Cheated):
        await quick.desk.claim("cats", "Q77", ORIGIN, address=BOB)
    await quick.project()
    boards = await asyncio.gather(
        *(quick.turns.boards.get("cats", limit=9, address=f"192.0.2.{n % 4}") for n in range(100)),
        return_exceptions=True,
    )

    assert runs <= 3
    assert [isinstance(board, Banned) for board in boards] == [n % 4 == 2 for n in range(100)]


async def test_a_line_that_somebody_else_changed_is_told(quick: Hall) -> None:
    await quick.take(4)
    with pytest.raises(Cheated):
        await quick.desk.claim("cats", "Q77", ORIGIN, address=ANN)
    assert await quick.verify() == []

    await quick.server.call("ZREM", HOME.line("cats"), "A02")
    await quick.server.call("ZADD", HOME.line("cats"), 9, "A09")
    await quick.server.call("ZADD", HOME.out("cats"), 1, "A00")
    await quick.server.call("HDEL", HOME.bans(), ANN)

    told = [each.partition(":")[0] for each in await quick.verify()]
    assert told == ["cats/A02/3", "cats/A09/9", "cats/A00", f"@{ANN}/1"]


async def test_a_rebuild_writes_what_stands_there(hall: Hall) -> None:
    await hall.open("dogs", counters=2)
    await hall.take(4, "dogs")
    await hall.take(3)
    await hall.desk.claim("cats", "A00", ORIGIN)
    await hall.desk.finish("cats", "A00", ORIGIN)
    with pytest.raises(Cheated):
        await hall.desk.claim("cats", "Q77", ORIGIN, address=ANN)
    await hall.project()
    models = [HOME.turn(id) for id in ("cats", "cats/A01/2", "dogs/A00/1", f"@{ANN}/1")]
    before = [await hall.server.call("HGETALL", model) for model in models]
    await hall.server.call("UNLINK", *models, HOME.listed("tokens", "cats:waiting"), HOME.due_tokens())
    assert await hall.verify() != []

    await hall.rebuild()

    assert [await hall.server.call("HGETALL", model) for model in models] == before
    assert await hall.verify() == []
