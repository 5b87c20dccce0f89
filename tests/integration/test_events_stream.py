"""GET /v1/events: each event after the one a client had last, once, whatever comes in between."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import NamedTuple

import httpx
import pytest

import api.events
import api.hub
from api.app import services_of
from duestream.errors import Unavailable
from duestream.keys import Keys
from duestream.server import Server
from tests import stores
from tests.running import Service, running, until
from tests.stores import Store

DEADLINE = 15.0


class Sent(NamedTuple):
    """A server-sent event; kind "comment" is a comment."""

    kind: str
    id: str
    data: str

    @property
    def task(self) -> str:
        said: str = json.loads(self.data)["id"]
        return said


async def read(answer: httpx.Response) -> AsyncGenerator[Sent, None]:
    """What a stream of server-sent events holds."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        name, _, value = line.partition(":")
        if line.startswith(":"):
            yield Sent("comment", "", value.strip())
        elif line:
            fields[name] = value.strip()
        elif "data" in fields:
            yield Sent(fields.get("event", "message"), fields.get("id", ""), fields["data"])
            fields = {}


@contextlib.asynccontextmanager
async def listening(
    http: httpx.AsyncClient, *, after: str = "", **parameters: str
) -> AsyncIterator[AsyncGenerator[Sent, None]]:
    """A client that listens by the time that the block begins."""
    headers = {"last-event-id": after} if after else {}
    async with http.stream("GET", "/v1/events", params=parameters, headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield read(answer)


async def take(events: AsyncGenerator[Sent, None], many: int) -> list[Sent]:
    """The next events, without comments."""
    found: list[Sent] = []
    async with asyncio.timeout(DEADLINE):
        while len(found) < many:
            event = await anext(events)
            if event.kind != "comment":
                found.append(event)
    return found


async def create(http: httpx.AsyncClient, many: int = 1) -> list[str]:
    """Ids of tasks created in one request."""
    answer = await http.post("/v1/tasks", json=[{"title": f"task {n}"} for n in range(many)])
    return [str(task["id"]) for task in answer.json()["tasks"]]


async def test_a_client_gets_what_happens_from_when_it_listens(service: Service) -> None:
    http = service.http
    await create(http)

    async with listening(http) as events:
        created = (await http.post("/v1/tasks", json={"title": "x", "description": "a\nb"})).json()
        at = f"/v1/tasks/{created['id']}"
        await http.patch(at, json={"title": "y"})
        await http.delete(at)
        got = await take(events, 3)

    assert [event.kind for event in got] == ["task.created", "task.updated", "task.deleted"]
    said = json.loads(got[0].data)
    assert (said["kind"], said["type"], said["id"], said["rev"]) == ("tasks", "task.created", str(created["id"]), 1)
    assert (said["data"], said["at"]) == ({"title": "x", "description": "a\nb"}, created["create_dt"])
    history = (await http.get(f"{at}/events")).json()["events"]
    assert [json.loads(event.data)["event"] for event in got] == [each["event"] for each in history]
    for event in got:
        assert json.loads(event.data)["event"] in event.id  # among the positions in the other streams


async def test_a_notice_is_told(service: Service) -> None:
    async with listening(service.http, types="task.expiring") as events:
        answer = await service.http.post("/v1/tasks", json={"title": "x", "expiry_dt": "2020-01-01T00:00:00Z"})
        [notice] = await take(events, 1)

    id = answer.json()["id"]
    assert notice.task == str(id)
    said = json.loads(notice.data)["data"]["notice"]
    assert said == f'Your task (id:{id}, title:"x") is expired already at 2020-01-01T00:00:00Z!'


async def test_of_types_only_those_asked_for_come(service: Service) -> None:
    http = service.http

    async with listening(http, types="task.deleted,tasks.cleared") as events:
        ids = await create(http, 3)
        await http.delete(f"/v1/tasks/{ids[0]}")
        await http.delete("/v1/tasks")
        got = await take(events, 2)

    assert got[0].kind == "task.deleted"
    assert got[1].kind == "tasks.cleared"


async def test_whoever_resumes_misses_nothing_and_gets_nothing_twice(store: Store) -> None:
    async with running(store) as service, running(store, "api") as other:
        clients = [service.http, other.http]
        done = asyncio.Event()
        made: list[str] = []

        async def keep_creating() -> None:
            for n in range(40):
                made.extend(await create(clients[n % 2], 1 + n % 7))
            done.set()

        got: list[Sent] = []
        creating = asyncio.create_task(keep_creating())
        last, turn = "0", 0
        while not done.is_set() or len(got) < len(made):
            many = min(1 + turn % 9, max(1, len(made) - len(got)))
            async with listening(clients[turn % 2], after=last, types="task.created") as events:
                for event in await take(events, many):
                    got.append(event)
                    last = event.id
            turn += 1
        await creating

        assert len(got) == len(made) == len({event.task for event in got})
        assert {event.task for event in got} == set(made)


async def test_a_bare_stream_id_resumes_all_shards(service: Service) -> None:
    ids = await create(service.http, 20)

    async with listening(service.http, since="0", types="task.created") as events:
        got = await take(events, 20)

    assert sorted(event.task for event in got) == sorted(ids)


async def test_a_position_that_is_none_of_this_journal_counts_as_now(service: Service) -> None:
    await create(service.http)

    async with listening(service.http, after="999999999999999-0") as events:
        ids = await create(service.http, 4)
        got = await take(events, 4)

    assert sorted(event.task for event in got) == sorted(ids)


async def test_many_clients_all_get_everything_in_the_same_order(valkey: Store) -> None:
    async with running(valkey) as service, running(valkey, "api") as other, contextlib.AsyncExitStack() as stack:
        limits = httpx.Limits(max_connections=500)
        clients = [
            await stack.enter_async_context(
                httpx.AsyncClient(base_url=each.http.base_url, limits=limits, timeout=DEADLINE)
            )
            for each in (service, other)
        ]
        streams = await asyncio.gather(*(stack.enter_async_context(listening(clients[n % 2])) for n in range(80)))

        ids = [id for _ in range(4) for id in await create(service.http, 10)]
        got = await asyncio.gather(*(take(events, 40) for events in streams))

        assert all([event.task for event in each] == ids for each in got)


async def test_a_shard_is_read_again_after_all_had_left(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.hub, "LONGEST_BLOCK", 0.05)
    async with running(store, "api") as service:
        for _ in range(8):
            async with listening(service.http) as events:
                ids = await create(service.http, 1)
                for _ in range(5):
                    ids += await create(service.http, 1)
                got = await take(events, 6)
            assert sorted(event.task for event in got) == sorted(ids)


async def test_readers_end_when_nobody_listens(server: Server, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.hub, "LONGEST_BLOCK", 0.05)
    hub = api.hub.Hub(server, [Keys(shard) for shard in range(store.shards)])

    listener = await hub.join(None)
    readers = list(hub._readers.values())
    hub.leave(listener)

    assert len(readers) == store.shards
    async with asyncio.timeout(DEADLINE):
        await asyncio.gather(*readers)


async def test_heartbeats_come_while_nothing_happens(valkey: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.events, "HEARTBEAT", 0.05)
    async with running(valkey, "api") as service, listening(service.http) as events:
        comments = [await anext(events) for _ in range(4)]

    assert comments[0] == Sent("comment", "", "listening")
    assert [event.kind for event in comments] == ["comment"] * 4


async def test_a_client_that_does_not_keep_up_is_told_to_reset_and_let_go(
    valkey: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.hub, "BACKLOG", 5)
    async with running(valkey, "api") as service:
        hub = services_of(service.settings, service.server, "slow").hub
        slow, quick = await hub.join(None), await hub.join(None)
        taking = hub.told(slow)
        first = asyncio.ensure_future(anext(taking))
        await until(lambda: _is(slow.live), "the slow one takes what comes")
        ids = await create(service.http)
        assert (await first).type == "task.created"

        for _ in range(10):  # while `slow` takes none of it
            ids += await create(service.http)
        keeping_up = hub.told(quick)
        got = [await anext(keeping_up) for _ in range(11)]

        await until(lambda: _is(slow.dropped), "the slow one is dropped")
        with pytest.raises(api.hub.Dropped):
            await anext(taking)
        assert [json.loads(told.text)["id"] for told in got] == ids
        hub.close()


async def _is(value: bool) -> bool:
    return value


async def test_the_last_thing_that_a_dropped_client_is_sent_is_a_reset(
    valkey: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dropped(_: object, __: object) -> AsyncGenerator[api.hub.Told, None]:
        raise api.hub.Dropped
        yield

    monkeypatch.setattr(api.hub.Hub, "told", dropped)
    async with running(valkey, "api") as service, listening(service.http) as events:
        sent = [event async for event in events]

    assert [event.kind for event in sent] == ["comment", "reset"]


async def test_a_client_outlives_an_absence_of_redis() -> None:
    with stores.valkey() as store:
        async with running(store) as service, listening(service.http) as events:
            first = await create(service.http)
            got = await take(events, 1)
            [node] = store.nodes
            node.kill()
            node.start()

            async def accepted() -> bool:
                return (await service.http.get("/v1/tasks")).status_code == 200

            await until(accepted, "the service is back")
            second = await create(service.http)
            got += await take(events, 1)

            assert [event.task for event in got] == first + second


async def test_streams_end_when_the_process_drains(valkey: Store) -> None:
    async with contextlib.AsyncExitStack() as stack:
        service = await stack.enter_async_context(running(valkey, "api"))
        client = httpx.AsyncClient(base_url=service.http.base_url, timeout=DEADLINE)
        async with client, listening(client) as events:
            closing = asyncio.create_task(stack.pop_all().aclose())
            async with asyncio.timeout(DEADLINE):
                left = [event async for event in events]
            await closing

    assert {event.kind for event in left} <= {"comment"}


async def test_a_hub_that_is_closed_takes_nobody_in(server: Server) -> None:
    hub = api.hub.Hub(server, [Keys(0)])
    hub.close()

    with pytest.raises(Unavailable):
        await hub.join(None)


@pytest.mark.parametrize(
    ("headers", "parameters", "field"),
    [
        ({"last-event-id": "garbage"}, {}, "Last-Event-ID"),
        ({"last-event-id": "1-2-3"}, {}, "Last-Event-ID"),
        ({"last-event-id": "tasks.7:1-1"}, {}, "Last-Event-ID"),
        ({"last-event-id": "tasks.0:+"}, {}, "Last-Event-ID"),
        ({}, {"since": "$"}, "since"),
        ({}, {"since": ""}, "since"),
        ({}, {"types": "task.expired"}, "types"),
        ({}, {"type": "task.expiring"}, "type"),
    ],
)
async def test_what_cannot_be_resumed_is_refused_by_name(
    valkey: Store, headers: dict[str, str], parameters: dict[str, str], field: str
) -> None:
    async with running(valkey, "api") as service:
        answer = await service.http.get("/v1/events", params=parameters, headers=headers)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
