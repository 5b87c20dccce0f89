"""The output of jobs over HTTP: as text, and followed as server-sent events."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from duestream.jobs import JobStopped, JobSucceeded
from tests.integration.job_calls import NO_RUNNER, Hand, box, quick, reached, submit
from tests.running import Service, running
from tests.stores import Store

FOLLOW = {"accept": "text/event-stream"}
Sent = tuple[str, str, Any]


@pytest.fixture
async def waiting(store: Store) -> AsyncIterator[Service]:
    """All processes but a runner, on an empty store of each sort."""
    async with running(store, *NO_RUNNER) as service:
        yield service


async def events(stream: httpx.Response) -> AsyncIterator[Sent]:
    """Server-sent events: id, event, data."""
    fields: dict[str, str] = {}
    async for line in stream.aiter_lines():
        if not line and "data" in fields:
            yield fields.get("id", ""), fields["event"], json.loads(fields["data"])
        if not line:
            fields = {}
        name, _, value = line.partition(": ")
        fields[name] = value


async def test_the_output_is_text_of_which_a_part_can_be_had(waiting: Service) -> None:
    http, hand = waiting.http, Hand(waiting)
    at = await submit(http, box())
    await hand.start(at)
    await hand.put_out(at, "one\n", "two\n")
    await hand.put_out(at, "oh\n", stream="stderr")
    await hand.take_over(at)
    await hand.put_out(at, "three\n", "fo", "ur", attempt=2)

    async def log(**parameters: str | int) -> str:
        return (await http.get(f"{at}/log", params=parameters)).text

    whole = await http.get(f"{at}/log")

    assert whole.status_code == 200
    assert whole.headers["content-type"] == "text/plain; charset=utf-8"
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert whole.text == "one\ntwo\noh\nthree\nfour"
    assert await log(stream="stderr") == "oh\n"
    assert await log(attempt=2) == "three\nfour"
    assert await log(attempt=1, stream="stdout") == "one\ntwo\n"
    assert await log(tail=2) == "three\nfour"
    assert await log(tail=1, attempt=1) == "oh\n"
    assert await log(tail=100) == whole.text
    assert await log(attempt=3) == ""


async def test_a_long_output_is_whole(waiting: Service) -> None:
    at = await submit(waiting.http, box())
    await Hand(waiting).start(at)
    lines = [f"line {n} <b>é</b>\r\n" for n in range(1500)]
    await Hand(waiting).put_out(at, *lines)

    found = await waiting.http.get(f"{at}/log")

    assert found.content.decode() == "".join(lines)


async def test_a_handler_has_no_output_and_its_log_ends(service: Service) -> None:
    at = await submit(service.http, quick())
    await reached(service.http, at)

    text = await service.http.get(f"{at}/log")
    async with service.http.stream("GET", f"{at}/log", headers=FOLLOW) as stream:
        followed = [each async for each in events(stream)]

    assert (text.status_code, text.text) == (200, "")
    assert followed == [("", "end", {"status": "succeeded"})]


async def test_a_running_container_is_followed_to_its_end(waiting: Service) -> None:
    http, hand = waiting.http, Hand(waiting)
    at = await submit(http, box())
    await hand.start(at)
    await hand.put_out(at, "before\n")
    found: list[Sent] = []

    async with http.stream("GET", f"{at}/log", headers=FOLLOW) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        async for each in events(stream):
            found.append(each)
            if each[2].get("text") == "before\n":
                await hand.put_out(at, "while it runs\nand more", stream="stderr")
            elif each[2].get("stream") == "stderr":
                await hand.put_out(at, "last\n")
                await hand.end(at, JobSucceeded(attempt=1, exit_code=0))

    assert [each[1] for each in found] == ["log", "log", "log", "end"]
    stamp = "2026-11-22T12:00:00.000000000Z"
    assert [each[2] for each in found] == [
        {"attempt": 1, "stream": "stdout", "at": stamp, "text": "before\n"},
        {"attempt": 1, "stream": "stderr", "at": stamp, "text": "while it runs\nand more"},
        {"attempt": 1, "stream": "stdout", "at": stamp, "text": "last\n"},
        {"status": "succeeded"},
    ]
    assert found[-1][0] == found[-2][0]


async def test_who_comes_back_goes_on_where_it_was(waiting: Service) -> None:
    http, hand = waiting.http, Hand(waiting)
    at = await submit(http, box())
    await hand.start(at)
    await hand.put_out(at, *(f"{n}\n" for n in range(1200)))
    seen: list[Sent] = []
    async with http.stream("GET", f"{at}/log", headers=FOLLOW) as stream:
        async for each in events(stream):
            seen.append(each)
            if len(seen) == 700:
                break

    await hand.end(at, JobSucceeded(attempt=1))
    async with http.stream("GET", f"{at}/log", headers={**FOLLOW, "last-event-id": seen[-1][0]}) as stream:
        seen += [each async for each in events(stream)]

    assert [each[2].get("text") for each in seen] == [*(f"{n}\n" for n in range(1200)), None]


async def test_a_part_of_it_can_be_followed(waiting: Service) -> None:
    http, hand = waiting.http, Hand(waiting)
    at = await submit(http, box())
    await hand.start(at)
    await hand.put_out(at, "out\n")
    await hand.put_out(at, "err\n", stream="stderr")
    await http.delete(at)
    await hand.end(at, JobStopped(attempt=1))

    async with http.stream("GET", f"{at}/log", params={"stream": "stderr"}, headers=FOLLOW) as stream:
        found = [each[2] async for each in events(stream)]

    assert [each.get("text") for each in found] == ["err\n", None]
    assert found[-1] == {"status": "canceled"}


async def test_followers_are_let_go_when_the_service_stops(valkey: Store) -> None:
    async with running(valkey, *NO_RUNNER) as service, httpx.AsyncClient(base_url=service.http.base_url) as http:
        at = await submit(service.http, box())
        response = await http.send(http.build_request("GET", f"{at}/log", headers=FOLLOW), stream=True)
        first = await anext(response.aiter_lines())

    assert first == ": following"


@pytest.mark.parametrize(
    ("query", "headers", "field"),
    [
        ({"tail": 0}, {}, "tail"),
        ({"tail": 3}, FOLLOW, "tail"),
        ({"attempt": "one"}, {}, "attempt"),
        ({"stream": "both"}, {}, "stream"),
        ({"lines": 3}, {}, "lines"),
        ({}, {**FOLLOW, "last-event-id": "seven"}, "Last-Event-ID"),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_what_cannot_be_is_refused_by_name(
    shared: Service, query: dict[str, Any], headers: dict[str, str], field: str
) -> None:
    at = await submit(shared.http, {**quick(), "delay": "1h"})

    refused = await shared.http.get(f"{at}/log", params=query, headers=headers)

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == field
