"""Send events to webhooks: signed by Standard Webhooks, tried again with growing pauses, put aside at last.

Notices go to the endpoints that are configured: a consumer group notes each as due for each endpoint, in one step with
its acknowledgement; every endpoint has its own due set, so that one that is down delays no other. The end of a job
goes to the job's own webhook: it becomes due in the step that ends the job. A delivery that its sender did not live to
settle is made again: receivers see the same `webhook-id` and can tell.
"""

import asyncio
import hashlib
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
from standardwebhooks import Webhook

from duestream import instants
from duestream.errors import Unavailable
from duestream.events import Entry, Unreadable, entry_of
from duestream.group import Consumer, Raw
from duestream.journal import OWN
from duestream.keys import Keys, Kind
from duestream.lifecycle import Duty, unless_stopped
from duestream.server import LONGEST_BLOCK, Server
from duestream.settings import Settings
from duestream.tasks import TaskExpiring
from scheduler.due import DueSet, Taken, settle

log = logging.getLogger("duestream.webhooks")

GROUP = "webhooks"
BATCH = 200
AT_ONCE = 20  # deliveries to one endpoint
OWN_AT_ONCE = 500  # deliveries to webhooks of jobs
CLAIM_MS = 5000
FORGET_MS = 600_000  # after which a scheduler that is gone, and holds nothing, leaves the group
LONGEST_PAUSE = 10 * 3600.0  # seconds


def endpoint_of(url: str) -> str:
    """The name by which keys call an endpoint: no part of its URL gets into them."""
    return hashlib.sha256(url.encode()).hexdigest()[:12]


@asynccontextmanager
async def webhook_duties(
    server: Server, settings: Settings, name: str, stop: asyncio.Event
) -> AsyncIterator[list[Duty]]:
    """What a scheduler has to do for the webhooks that are configured; nothing where there are none."""
    duties: list[Duty] = []
    if not settings.webhook_secret:
        yield duties
        return
    timeout = instants.span(settings.webhook_timeout).total_seconds()
    lease = int(timeout * 1000) + CLAIM_MS
    async with httpx.AsyncClient(
        timeout=timeout, follow_redirects=False, limits=httpx.Limits(max_connections=None)
    ) as http:
        owns: list[OwnWebhooks] = []
        for keys in map(Keys, range(settings.shards)):
            own = OwnWebhooks(Deliverer(server, keys, "jobs", OWN, settings, http))
            owns.append(own)
            duties.append(
                DueSet(server, keys, keys.due_webhooks(OWN), own.deliver, stop, lease_ms=lease, chunk=AT_ONCE)
            )
            if settings.webhook_urls:
                consumer = Consumer(server, keys.journal("tasks"), group=GROUP, name=name, start="$")
                await server.patiently(consumer.join, 30)
                duties.append(Intake(consumer, keys, settings.webhook_urls, stop))
            for url in settings.webhook_urls:
                sender = Deliverer(server, keys, "tasks", endpoint_of(url), settings, http)
                endpoint = Endpoint(sender, url)
                due = keys.due_webhooks(endpoint.name)
                duties.append(DueSet(server, keys, due, endpoint.deliver, stop, lease_ms=lease, chunk=AT_ONCE))
        yield duties
        for own in owns:
            await own.ended()


class Intake:
    """A duty: note the notices among the journal's new entries as due for every endpoint."""

    def __init__(self, consumer: Consumer, keys: Keys, urls: list[str], stop: asyncio.Event) -> None:
        self._consumer = consumer
        self._keys = keys
        self._urls = urls
        self._stop = stop

    async def once(self) -> None:
        batch = await self._consumer.claim(idle_ms=CLAIM_MS, count=BATCH)

        async def read() -> None:
            batch.extend(await self._consumer.read(count=BATCH, block_ms=int(LONGEST_BLOCK * 1000)))

        if not batch:
            await unless_stopped(read(), self._stop)
        if self._stop.is_set():
            batch = await self._consumer.held(count=BATCH)
        if batch:
            await self.enqueue(batch)
        else:
            await self._consumer.forget_idle(idle_ms=FORGET_MS)

    async def enqueue(self, batch: list[Raw]) -> None:
        """Note the notices among some entries as due, and acknowledge the entries."""
        notices = [entry for entry, fields in batch if TaskExpiring.type in fields[1:2]]
        server, keys = self._consumer.server, self._keys
        names = [
            keys.journal("tasks"),
            keys.wake_due(),
            *(keys.due_webhooks(endpoint_of(url)) for url in self._urls),
        ]
        entries = [entry for entry, _ in batch]
        await server.run("enqueue", names, [GROUP, await server.clock_ms(), len(notices), *notices, *entries])


class Deliverer:
    """Sends entries of one journal that are due in one set, and settles or postpones each."""

    def __init__(
        self, server: Server, keys: Keys, kind: Kind, endpoint: str, settings: Settings, http: httpx.AsyncClient
    ) -> None:
        self.endpoint = endpoint
        self._server = server
        self._keys = keys
        self._kind = kind
        self._http = http
        self._signer = Webhook(settings.webhook_secret)
        self._attempts = settings.webhook_attempts
        self._backoff = instants.span(settings.webhook_backoff).total_seconds()

    async def found(self, taken: Taken) -> dict[str, list[str]]:
        """The entries that are due; what is not on the journal is no longer due."""
        found = await self._server.run("entries", [self._keys.journal(self._kind)], list(taken.due))
        entries: dict[str, list[str]] = dict(found)
        strays = [entry for entry in taken.due if entry not in entries]
        await settle(self._server, self._keys.due_webhooks(self.endpoint), taken, strays)
        return entries

    async def send(self, taken: Taken, name: str, fields: list[str], url: str | None) -> None:
        """Send one entry to a URL, or (None) to the one that it names itself."""
        keys = self._keys
        try:
            entry = entry_of(name, fields)
            data = msgspec.json.decode(entry.data)
            url = url or str(data.pop("webhook", ""))
            reason = await self._post(entry, data, url)
        except (Unreadable, msgspec.DecodeError) as error:
            reason = str(error)
        if reason is None:
            await settle(self._server, keys.due_webhooks(self.endpoint), taken, [name])
            await self._server.call("HDEL", keys.webhook_attempts(self.endpoint), name)
            log.info("delivered", extra={"entry": name, "url": url})
            return
        names = [
            keys.due_webhooks(self.endpoint),
            keys.webhook_attempts(self.endpoint),
            keys.dead_webhooks(),
            keys.wake_due(),
        ]
        failed = await self._server.run(
            "postpone", names, [name, self.endpoint, reason, self._attempts, *self._pauses(taken.now)]
        )
        log.warning("not delivered", extra={"entry": name, "url": url, "reason": reason, "attempt": failed})

    def _pauses(self, now: int) -> list[int]:
        pauses = (min(LONGEST_PAUSE, self._backoff * 5**n) * random.uniform(0.9, 1.1) for n in range(self._attempts))
        return [now + int(pause * 1000) for pause in pauses]

    async def _post(self, entry: Entry, data: dict[str, Any], url: str) -> str | None:
        """None if it was taken, else the reason."""
        told = {"id": int(entry.id) if self._kind == "tasks" else entry.id, **data}
        body = msgspec.json.encode({"type": entry.type, "timestamp": entry.at, "data": told})
        id, now = f"{self._kind}-{self._keys.shard}-{entry.entry}", datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(id, now, body.decode()),
        }
        try:
            response = await self._http.post(url, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return f"{type(error).__name__}: {error}"
        return None if response.is_success else f"status {response.status_code}"


class Endpoint:
    """One URL that is configured. Handles what is due in its set of one shard."""

    def __init__(self, sender: Deliverer, url: str) -> None:
        self.name = sender.endpoint
        self._sender = sender
        self._url = url

    async def deliver(self, taken: Taken) -> None:
        """Send some notices."""
        entries = await self._sender.found(taken)
        await asyncio.gather(*(self._sender.send(taken, name, fields, self._url) for name, fields in entries.items()))


class OwnWebhooks:
    """The webhooks that jobs bring themselves. One that is slow holds up no other, until very many are."""

    def __init__(self, sender: Deliverer) -> None:
        self._sender = sender
        self._turns = asyncio.Semaphore(OWN_AT_ONCE)
        self._sending: set[asyncio.Task[None]] = set()

    async def deliver(self, taken: Taken) -> None:
        """Begin to send some ends of jobs; an entry whose sending dies with this process is due again."""
        for name, fields in (await self._sender.found(taken)).items():
            await self._turns.acquire()
            task = asyncio.create_task(self._send(taken, name, fields))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def ended(self) -> None:
        """Wait until what was begun has been sent, or was not taken in time."""
        if self._sending:
            await asyncio.wait(self._sending)

    async def _send(self, taken: Taken, name: str, fields: list[str]) -> None:
        try:
            await self._sender.send(taken, name, fields, None)
        except Unavailable as error:
            log.warning("waiting for Redis", extra={"entry": name, "reason": str(error)})
        finally:
            self._turns.release()
