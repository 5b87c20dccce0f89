"""Who is refused a token or a turn, and who is kept out."""

import asyncio

import pytest

from duestream.queues import SERVING
from duestream.turns import (
    HOME,
    Banned,
    Cheated,
    EmptyQueue,
    Over,
    QueueFull,
    Standing,
    TooOften,
    WrongCode,
)
from tests.turns import ORIGIN, Hall, passed

ANN, BOB = "192.0.2.1", "192.0.2.2"


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
