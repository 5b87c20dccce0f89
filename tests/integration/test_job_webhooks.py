"""The webhooks that jobs bring themselves: told of the end, signed, once the end is on the journal, tried again."""

import base64

import msgspec
import pytest
from standardwebhooks import Webhook

from duestream.clock import now_ms
from duestream.events import Origin, Transition
from duestream.ids import Ids
from duestream.jobs import OVER, STEPS, JobCanceled, JobSpec, ready_queue, submitted
from duestream.journal import Command, Journal
from duestream.keys import Keys, shard_of
from duestream.server import Server
from tests.core import AT
from tests.integration.test_webhooks import SECRET, Receiver
from tests.running import running, until
from tests.stores import Store

ORIGIN = Origin(at=AT, by="test")


async def submit(server: Server, shards: int, spec: JobSpec, *, cancel: bool = False) -> str:
    """A job's id; with `cancel` it is canceled in the same moment."""
    journal = Journal(server, "jobs", STEPS, shards=shards, process="test", over=OVER)
    [id] = Ids().make(now_ms())
    queue = ready_queue(spec)
    await journal.append(Command(ORIGIN, [Transition(submitted(spec, ""), id, queue=queue)]))
    if cancel:
        event = JobCanceled(webhook=spec.webhook)
        await journal.append(Command(ORIGIN, [Transition(event, id, queue=queue)]))
    return id


async def test_the_end_of_a_job_is_told_to_its_own_webhook(store: Store) -> None:
    receiver = Receiver()
    async with (
        receiver.listening(),
        running(store, "scheduler", "runner", webhook_secret=SECRET, containers=0) as service,
    ):
        payload = msgspec.Raw(b'{"text":"abc","seconds":0}')
        id = await submit(
            service.server, store.shards, JobSpec(handler="length", payload=payload, webhook=receiver.url)
        )
        await until(lambda: _got(receiver, 1), "the webhook is told")

    headers, body = receiver.got[0]
    told = Webhook(base64.b64decode(SECRET.removeprefix("whsec_"))).verify(body, headers)
    assert (told["type"], told["data"]["id"], told["data"]["result"]) == ("job.succeeded", id, 3)
    assert "webhook" not in told["data"]


@pytest.mark.parametrize("statuses", [(), (500,)])
async def test_it_is_told_of_a_cancel_too_and_again_where_it_refused(valkey: Store, statuses: tuple[int, ...]) -> None:
    receiver = Receiver(*statuses)
    settings = {"webhook_secret": SECRET, "webhook_backoff": "0.1s"}
    async with receiver.listening(), running(valkey, "scheduler", **settings) as service:
        await submit(service.server, 1, JobSpec(handler="length", webhook=receiver.url), cancel=True)
        await until(lambda: _got(receiver, 1 + len(statuses)), "the webhook is told")
        await until(lambda: _empty(service.server, Keys(0)), "the delivery is settled")

    assert len(set(receiver.ids())) == 1


async def test_a_job_without_a_webhook_makes_none_due(server: Server, store: Store) -> None:
    id = await submit(server, store.shards, JobSpec(handler="length"), cancel=True)

    assert await _empty(server, Keys(shard_of("jobs", id, store.shards)))


async def _got(receiver: Receiver, count: int) -> bool:
    return len(receiver.got) >= count


async def _empty(server: Server, keys: Keys) -> bool:
    return not await server.call("EXISTS", keys.due_webhooks("jobs"))
