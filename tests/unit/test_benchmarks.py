"""The benchmarks' own pieces: a figure is worth what the client that took it is worth."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from benchmarks.figures import percentile
from benchmarks.load import Plan, drive, head, request
from benchmarks.table import Row, markdown


@asynccontextmanager
async def answering(*parts: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that answers every request in these parts; its port, and the requests that it got."""
    got: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            try:
                got.append(await reader.readuntil(b"\r\n\r\n"))
            except asyncio.IncompleteReadError:
                break
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0)  # the client sees this part by itself
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], got


@pytest.mark.parametrize(
    ("percent", "expected"), [(50, 5), (90, 9), (91, 10), (99, 10), (100, 10), (1, 1)], ids=lambda value: str(value)
)
def test_a_percentile_is_the_smallest_sample_that_so_many_do_not_exceed(percent: float, expected: float) -> None:
    assert percentile([7, 1, 10, 3, 5, 4, 6, 2, 9, 8], percent) == expected


def test_no_samples_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no samples"):
        percentile([], 50)


def test_of_an_answer_the_status_and_the_length_are_read() -> None:
    assert head(b"HTTP/1.1 201 Created\r\nContent-Length: 17\r\nlocation: /x") == (201, 17)
    assert head(b"HTTP/1.1 204 No Content\r\ndate: today") == (204, 0)


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked"])
def test_an_answer_that_it_cannot_follow_is_an_error(answer: bytes) -> None:
    with pytest.raises(ValueError, match="answer"):
        head(answer)


async def test_as_many_requests_are_sent_as_were_asked_for_whatever_pieces_the_answers_come_in() -> None:
    requests = [request("GET", "/one"), request("GET", "/two")]

    async with answering(b"HTTP/1.1 200 OK\r\ncontent-le", b"ngth: 6\r\n\r\n", b"abc", b"def") as (port, got):
        outcome = await drive(Plan(port, requests, connections=3, seconds=30, warmup=0, most=10))

    assert outcome.statuses == {200: 10}
    assert outcome.done == 10
    assert sorted(got) == sorted(requests * 5)


async def test_answers_are_counted_by_status() -> None:
    async with answering(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n") as (port, _):
        outcome = await drive(Plan(port, [request("GET", "/")], connections=1, seconds=30, warmup=0, most=4))

    assert outcome.statuses == {503: 4}


async def test_a_server_that_says_more_than_it_announced_is_not_measured() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nabc") as (port, _):
        with pytest.raises(ValueError, match="more came"):
            await drive(Plan(port, [request("GET", "/")], connections=1, seconds=30, warmup=0, most=4))


def test_a_table_shows_the_ratio_beside_its_target() -> None:
    row = Row(name="a | b", ours="10/s", theirs="20/s", ratio=0.5, target="ratio ≥ 0.6", met=False)

    assert markdown([row]).splitlines()[-1] == "| a / b | 10/s | 20/s | 0.50 | ratio ≥ 0.6 | **no** |  |"
