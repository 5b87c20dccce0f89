"""A queue's events as server-sent events, for any number of browsers: each event is made once for all of them."""

import asyncio
import contextlib
import logging
import re
from collections.abc import Callable
from functools import lru_cache

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.events import HEARTBEAT, RETRY_MS, SEND_TIMEOUT
from api.hub import Dropped, Hub, Listener, Position, Told
from api.problems import invalid
from api.query import Query
from api.queue_types import TurnEvent
from api.requests import header
from duestream.errors import Unavailable

log = logging.getLogger("duestream.events")

SOURCE = (0, "tokens")  # all queues live in shard 0
_ENTRY = re.compile(r"\d{1,15}(-\d{1,15})?")
_decode = msgspec.json.Decoder(TurnEvent).decode
_encode = msgspec.json.Encoder().encode


async def listen(request: Request, hub: Hub, queue: str) -> "QueueEvents":
    """The answer to one who listens to a queue, from the event on that he had last. Raises Problem, Unavailable."""
    resumed = header(request, b"last-event-id")
    name, last = ("Last-Event-ID", resumed) if resumed else ("since", Query(request).text("since"))
    since: Position | None = None
    if last is not None:
        if not _ENTRY.fullmatch(last):
            raise invalid(name, "expected the id of an event of this queue")
        since = {(0, "tokens"): last}
    return QueueEvents(hub, await hub.join(since, of_queue(queue)))


def of_queue(queue: str) -> Callable[[Told], bool]:
    """Whether an entry is one of a queue's."""

    def wants(told: Told) -> bool:
        return told.source == SOURCE and _public(told.text)[0] == queue

    return wants


@lru_cache(maxsize=4096)
def _public(text: str) -> tuple[str, bytes]:
    """The queue that an entry is of ("": none), and what its listeners are sent: nothing of who and from where."""
    event = _decode(text)
    if event.id.startswith("@"):
        return "", b""
    sent = b"id: %b\nevent: %b\ndata: %b\n\n" % (event.event.encode(), event.type.encode(), _encode(event))
    return event.id.partition("/")[0], sent


class QueueEvents(Response):
    """The stream to one browser, until it goes, or does not keep up, or this process stops."""

    def __init__(self, hub: Hub, listener: Listener) -> None:
        self.status_code = 200
        self.background = None
        self._hub = hub
        self._listener = listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]
        headers.append((b"x-accel-buffering", b"no"))
        tasks: list[asyncio.Task[None]] = []
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await _write(send, b": listening\nretry: %d\n\n" % RETRY_MS)
            duties = (self._tell(send), _ping(send), _gone(receive))
            tasks += map(asyncio.ensure_future, duties)
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            told, pinged, _ = tasks
            for each in (told, pinged):
                if each.done():
                    each.result()
        except TimeoutError:
            log.info("a client took nothing for too long and was cut off")
            return
        finally:
            self._hub.leave(self._listener)
            for each in tasks:
                each.cancel()
        with contextlib.suppress(TimeoutError):
            await _write(send, b"", more=False)

    async def _tell(self, send: Send) -> None:
        try:
            async for told in self._hub.told(self._listener):
                await _write(send, _public(told.text)[1])
        except Dropped:
            await _write(
                send, b'event: reset\ndata: {"reason":"too slow: reconnect to go on after the last event"}\n\n'
            )
        except Unavailable:
            return  # the client comes again, and is told then what it missed


async def _ping(send: Send) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT)
        await _write(send, b": ping\n\n")


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _write(send: Send, body: bytes, *, more: bool = True) -> None:
    async with asyncio.timeout(SEND_TIMEOUT):
        await send({"type": "http.response.body", "body": body, "more_body": more})
