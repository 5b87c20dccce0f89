"""Writes of one turn of the loop go out as one."""

import asyncio

from api.corking import Corked


class Wire:
    """A transport that keeps what is done to it."""

    def __init__(self) -> None:
        self.done: list[bytes | str] = []
        self.lost = False

    def is_closing(self) -> bool:
        return self.lost

    def write(self, data: bytes) -> None:
        self.done.append(data)

    def close(self) -> None:
        self.done.append("closed")

    def get_extra_info(self, name: str) -> str:
        return f"the {name}"


async def test_what_is_written_in_one_turn_goes_out_as_one_write() -> None:
    wire = Wire()
    corked = Corked(wire, asyncio.get_running_loop())  # type: ignore[arg-type]

    corked.write(b"head ")
    corked.write(b"body")
    assert wire.done == []
    await asyncio.sleep(0)
    corked.write(b"next")
    await asyncio.sleep(0)

    assert wire.done == [b"head body", b"next"]


async def test_closing_sends_first_what_was_written() -> None:
    wire = Wire()
    corked = Corked(wire, asyncio.get_running_loop())  # type: ignore[arg-type]

    corked.write(b"the last words")
    corked.close()
    await asyncio.sleep(0)

    assert wire.done == [b"the last words", "closed"]


async def test_nothing_is_written_to_a_client_that_went_away_in_the_same_turn() -> None:
    wire = Wire()
    corked = Corked(wire, asyncio.get_running_loop())  # type: ignore[arg-type]

    corked.write(b"an answer")
    wire.lost = True
    await asyncio.sleep(0)
    corked.close()

    assert wire.done == ["closed"]


async def test_all_else_is_the_transports_own() -> None:
    assert Corked(Wire(), asyncio.get_running_loop()).get_extra_info("peer") == "the peer"  # type: ignore[arg-type]
