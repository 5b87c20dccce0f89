"""Turns whose answers were lost on the way, and the boards that everybody reads."""

import asyncio

import pytest

from duestream.errors import KeyReused, Unavailable
from duestream.journal import Once
from duestream.queues import QueueSettings
from duestream.turns import (
    HOME,
    Banned,
    Cheated,
    open_first_queue,
)
from tests.stores import Store
from tests.turns import ORIGIN, Hall, hall_on

ANN, BOB = "192.0.2.1", "192.0.2.2"


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
