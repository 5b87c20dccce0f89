"""Webhooks: signed, tried again, put aside, sent again; one endpoint's trouble is no other's."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
from standardwebhooks import Webhook

from duestream.group import Consumer
from duestream.resend import resend
from duestream.settings import Settings
from duestream.tasks import TaskExpiring
from scheduler.due import DueSet
from scheduler.webhooks import GROUP, Deliverer, Endpoint, Intake, endpoint_of
from tests.core import AT, LATER, PAST, Core
from tests.running import running, until
from tests.stores import Store

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Receiver:
    """A local HTTP server that keeps what it is sent, and answers with the statuses that it is told to, then 204."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.url = ""

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator["Receiver"]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        async with server:
            yield self

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.got.append((headers, body))
        status = self.statuses.pop(0) if self.statuses else 204
        writer.write(f"HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.got]


def configured(*urls: str, **changes: Any) -> Settings:
    return Settings(
        webhooks=" ".join(urls), webhook_secret=SECRET, **{"webhook_backoff": "60s", "webhook_attempts": 3, **changes}
    )


class Sender:
    """What a scheduler does for webhooks, driven by hand."""

    def __init__(self, core: Core, settings: Settings, http: httpx.AsyncClient) -> None:
        self.core = core
        self.settings = settings
        self.stop = asyncio.Event()
        self.stop.set()  # nothing sleeps
        self.consumers = [self.consumer(keys.shard) for keys in core.shards]
        self.endpoints = [
            (keys, Endpoint(Deliverer(core.server, keys, "tasks", endpoint_of(url), settings, http), url))
            for keys in core.shards
            for url in settings.webhook_urls
        ]

    def consumer(self, shard: int) -> Consumer:
        stream, name = self.core.shards[shard].journal("tasks"), f"scheduler-{os.urandom(4).hex()}"
        return Consumer(self.core.server, stream, group=GROUP, name=name, start="$")

    async def join(self) -> None:
        for consumer in self.consumers:
            await consumer.join()

    async def take_in(self) -> None:
        """Note what is on the journal as due."""
        for keys, consumer in zip(self.core.shards, self.consumers, strict=True):
            batch = await consumer.read(count=100, block_ms=1)
            intake = Intake(consumer, keys, self.settings.webhook_urls, self.stop)
            if batch:
                await intake.enqueue(batch)

    async def send(self) -> None:
        for keys, endpoint in self.endpoints:
            due = keys.due_webhooks(endpoint.name)
            await DueSet(self.core.server, keys, due, endpoint.deliver, self.stop, lease_ms=5000).once()

    async def due_now(self, url: str) -> int:
        """Make all that is due there due at once, whatever its pause; how many."""
        count = 0
        for keys in self.core.shards:
            due = keys.due_webhooks(endpoint_of(url))
            for entry in await self.core.server.call("ZRANGE", due, 0, -1):
                await self.core.server.call("ZADD", due, "XX", 0, entry)
                count += 1
        return count

    async def given_up(self) -> list[dict[str, str]]:
        found = []
        for keys in self.core.shards:
            reply = await self.core.server.call("XRANGE", keys.dead_webhooks(), "-", "+")
            found += [dict(zip(fields[::2], fields[1::2], strict=True)) for _, fields in reply]
        return found


@contextlib.asynccontextmanager
async def sending(core: Core, settings: Settings) -> AsyncIterator[Sender]:
    async with httpx.AsyncClient(timeout=5) as http:
        sender = Sender(core, settings, http)
        await sender.join()
        yield sender


async def give_notice(core: Core) -> str:
    id = await core.create(notice_dt=PAST)
    await core.append(TaskExpiring(title="plants", expiry_dt=LATER, update_dt=AT, notice="soon!", due_dt=PAST), id)
    return id


async def test_a_notice_is_sent_signed_and_whole(core: Core) -> None:
    async with Receiver().listening() as receiver, sending(core, configured(receiver.url)) as sender:
        id = await give_notice(core)
        await sender.take_in()
        await sender.send()

    ((headers, body),) = receiver.got
    Webhook(SECRET).verify(body.decode(), headers)
    sent = msgspec.json.decode(body)
    assert (sent["type"], sent["timestamp"]) == ("task.expiring", AT)
    assert (sent["data"]["id"], sent["data"]["title"], sent["data"]["notice"]) == (int(id), "plants", "soon!")
    assert headers["content-type"] == "application/json"
    assert await sender.due_now(receiver.url) == 0


async def test_nothing_but_notices_is_sent(core: Core) -> None:
    async with Receiver().listening() as receiver, sending(core, configured(receiver.url)) as sender:
        await core.create()
        await sender.take_in()
        await sender.send()

    assert receiver.got == []


async def test_a_failed_delivery_is_postponed_longer_each_time_and_made_again_under_its_id(core: Core) -> None:
    pauses = []
    async with Receiver(500, 503).listening() as receiver, sending(core, configured(receiver.url)) as sender:
        keys = core.home(await give_notice(core))
        await sender.take_in()
        for _ in range(2):
            now = await core.server.clock_ms()
            await sender.send()
            ((_, at),) = _pairs(
                await core.server.call("ZRANGE", keys.due_webhooks(endpoint_of(receiver.url)), 0, -1, "WITHSCORES")
            )
            pauses.append(at - now)
            await sender.due_now(receiver.url)
        await sender.send()

        assert await sender.due_now(receiver.url) == 0
        assert await core.server.call("HLEN", keys.webhook_attempts(endpoint_of(receiver.url))) == 0

    assert len(receiver.got) == 3
    assert len(set(receiver.ids())) == 1
    assert 54_000 <= pauses[0] < pauses[1]
    assert pauses[1] >= 5 * 54_000


def _pairs(flat: list[Any]) -> list[tuple[str, float]]:
    if flat and isinstance(flat[0], list | tuple):
        return [(entry, float(at)) for entry, at in flat]
    return [(entry, float(at)) for entry, at in zip(flat[::2], flat[1::2], strict=True)]


async def test_after_its_attempts_a_delivery_is_put_aside_and_can_be_sent_again(core: Core) -> None:
    async with Receiver(500, 500, 500).listening() as receiver, sending(core, configured(receiver.url)) as sender:
        await give_notice(core)
        await sender.take_in()
        for _ in range(3):
            await sender.send()
            await sender.due_now(receiver.url)

        (dead,) = await sender.given_up()
        assert (dead["attempts"], dead["reason"]) == ("3", "status 500")
        assert await sender.due_now(receiver.url) == 0

        assert sum([await resend(core.server, keys) for keys in core.shards]) == 1
        assert sum([await resend(core.server, keys) for keys in core.shards]) == 0
        await sender.send()

        assert await sender.given_up() == []
        assert len(receiver.got) == 4
        assert len(set(receiver.ids())) == 1


async def test_an_endpoint_that_is_down_delays_no_other(core: Core) -> None:
    down = "http://127.0.0.1:9/hook"
    async with Receiver().listening() as receiver, sending(core, configured(down, receiver.url)) as sender:
        for _ in range(3):
            await give_notice(core)
        await sender.take_in()
        await sender.send()

        assert len(set(receiver.ids())) == len(receiver.got) == 3
        assert await sender.due_now(receiver.url) == 0
        assert await sender.due_now(down) == 3


async def test_an_entry_that_another_scheduler_took_in_meanwhile_is_not_sent_twice(core: Core) -> None:
    async with Receiver().listening() as receiver, sending(core, configured(receiver.url)) as sender:
        keys = core.home(await give_notice(core))
        slow, quick = sender.consumers[keys.shard], sender.consumer(keys.shard)
        held = await slow.read(count=10, block_ms=1)
        taken_over = await quick.claim(idle_ms=0, count=10)
        await Intake(quick, keys, [receiver.url], sender.stop).enqueue(taken_over)
        await sender.send()
        await Intake(slow, keys, [receiver.url], sender.stop).enqueue(held)
        await sender.send()

    assert len(receiver.got) == 1


async def test_running_schedulers_send_each_notice_to_each_endpoint(store: Store, core: Core) -> None:
    async with Receiver().listening() as one, Receiver(500).listening() as other:
        changes = {"webhooks": f"{one.url} {other.url}", "webhook_secret": SECRET, "webhook_backoff": "0.05s"}
        async with running(store, "scheduler", **changes), running(store, "scheduler", **changes):

            async def joined() -> bool:
                reply = [await core.server.call("EXISTS", keys.journal("tasks")) for keys in core.shards]
                return all(reply)

            await until(joined, "the schedulers listen")
            for _ in range(20):
                await give_notice(core)

            async def all_sent() -> bool:
                return len(set(one.ids())) == len(set(other.ids())) == 20

            await until(all_sent, "all are sent")

    assert len(one.got) == 20
    assert len(other.got) == 21
