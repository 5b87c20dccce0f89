"""A queue's events in browsers: resumed without missing or doubling one, and telling nothing of who and from where."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator

import httpx
import msgspec
import pytest

from tests.integration.test_events_stream import Sent, read, take
from tests.running import Service, running
from tests.stores import Store


@contextlib.asynccontextmanager
async def listening(
    http: httpx.AsyncClient, path: str = "/v1/queues/cats/events", *, after: str = "", **parameters: str
) -> AsyncIterator[AsyncGenerator[Sent, None]]:
    """A browser that listens by the time that the block begins."""
    headers = {"last-event-id": after} if after else {}
    async with http.stream("GET", path, params=parameters, headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield read(answer)


async def visit(http: httpx.AsyncClient, queue: str = "cats") -> str:
    """A token that is taken and given back."""
    token: str = (await http.post(f"/v1/queues/{queue}/tokens")).json()["token"]
    await http.delete(f"/v1/queues/{queue}/tokens/{token}")
    return token


async def test_every_browser_is_told_of_every_step_in_the_same_words(service: Service) -> None:
    http = service.http
    await http.put("/v1/queues/dogs", json={})

    async with listening(http) as one, listening(http, "/update") as other:
        await visit(http, "dogs")
        await http.post("/v1/queues/cats/tokens")
        await http.post("/v1/queues/cats/tokens/A00/claim")
        await http.post("/v1/queues/cats/tokens/A00/finish")
        got, same = await take(one, 4), await take(other, 4)

    assert [event.kind for event in got] == ["token.taken", "token.called", "token.claimed", "token.served"]
    assert same == got
    told = json.loads(got[1].data)
    assert told.keys() == {"event", "type", "id", "rev", "at", "data"}
    assert (told["id"], told["rev"], told["event"]) == ("cats/A00/1", 2, got[1].id)
    assert told["data"].keys() == {"label", "expires_at", "waiting"}


async def test_nobody_is_told_of_bans_codes_or_addresses(service: Service) -> None:
    http = service.http
    await http.put("/v1/queues/cats", json={"codes": True})

    async with listening(http) as events:
        code = (await http.post("/v1/queues/cats/tokens")).json()["code"]
        await http.post("/v1/queues/cats/tokens/Q77/claim")
        await http.delete("/v1/bans/127.0.0.1")
        await http.delete("/v1/queues/cats/tokens/A00", params={"code": code})
        got = await take(events, 3)

    assert [event.kind for event in got] == ["token.taken", "token.called", "token.left"]
    assert code not in str(got)
    assert "127.0.0.1" not in str(got)


async def test_whoever_resumes_misses_nothing_and_gets_nothing_twice(store: Store) -> None:
    async with running(store, takes_per_minute=0) as service, running(store, "api", takes_per_minute=0) as other:
        clients = [service.http, other.http]
        done = asyncio.Event()

        async def keep_visiting() -> None:
            for n in range(40):
                await visit(clients[n % 2])
            done.set()

        got: list[Sent] = []
        board = (await service.http.get("/v1/queues/cats")).json()
        visiting = asyncio.create_task(keep_visiting())
        last, turn = board["event"], 0
        while len(got) < 120:
            async with listening(clients[turn % 2], after=last) as events:
                got += await take(events, min(1 + turn % 9, 120 - len(got)))
            last = got[-1].id
            turn += 1
        await visiting

    assert len({event.id for event in got}) == 120
    steps = [(event.kind, json.loads(event.data)["id"]) for event in got]
    assert [id for kind, id in steps if kind == "token.taken"] == [f"cats/A00/{n}" for n in range(1, 41)]
    assert [kind for kind, _ in steps] == ["token.taken", "token.called", "token.left"] * 40


async def test_a_board_tells_where_its_events_go_on(service: Service) -> None:
    http = service.http
    await visit(http)
    board = (await http.get("/v1/queues/cats")).json()
    await visit(http)

    async with listening(http, since=board["event"]) as events:
        got = await take(events, 3)

    assert {json.loads(event.data)["id"] for event in got} == {"cats/A00/2"}


@pytest.mark.parametrize("store", ["valkey"], indirect=True)
async def test_what_is_no_event_is_refused_and_so_is_what_is_no_queue(service: Service) -> None:
    wrong = await service.http.get("/v1/queues/cats/events", params={"since": "soon"})
    nowhere = await service.http.get("/v1/queues/nowhere/events")

    assert (wrong.status_code, nowhere.status_code) == (422, 404)
    assert msgspec.json.decode(wrong.content)["errors"][0]["field"] == "since"
