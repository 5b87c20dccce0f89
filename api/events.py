"""GET /v1/events: the journal as server-sent events, resumed by `Last-Event-ID`."""

import difflib
import logging
import re
from collections.abc import AsyncGenerator
from typing import Any

from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.hub import Dropped, Hub, Listener, Position
from api.problems import invalid
from api.query import Query
from api.services import Services
from duestream import jobs, queues, tasks
from duestream.errors import Unavailable
from duestream.tasks import TasksCleared

log = logging.getLogger("duestream.events")

HEARTBEAT = 15.0  # seconds
SEND_TIMEOUT = 30.0  # seconds that one write to a client may take
RETRY_MS = 1000
TYPES = sorted({*(event.type for event in (*tasks.STEPS, *jobs.STEPS, *queues.TYPES)), TasksCleared.type})
_ENTRY = re.compile(r"^\d{1,15}(-\d{1,15})?$")


class EventRoutes:
    """The handler; it knows the hub of its process."""

    def __init__(self, services: Services) -> None:
        self._hub = services.hub

    async def events(self, request: Request) -> Response:
        """GET /v1/events: what is put on the journal from now on, or after the event that the client had last."""
        query = Query(request)
        types = _types(query.text("types"))
        resumed = request.headers.get("last-event-id")
        name, last = ("Last-Event-ID", resumed) if resumed else ("since", query.text("since"))
        since = None if last is None else position_of(last, self._hub, name)
        return _Listening(self._hub, await self._hub.join(since), types)


class _Listening(EventSourceResponse):
    """The answer to a client that has joined; the client leaves when it ends, however it ends."""

    def __init__(self, hub: Hub, listener: Listener, types: frozenset[str]) -> None:
        events: Any = _events(hub, listener, types)
        super().__init__(events, ping=HEARTBEAT, send_timeout=SEND_TIMEOUT)
        self._hub = hub
        self._listener = listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            log.info("a client took nothing for too long and was cut off")
        finally:
            self._hub.leave(self._listener)


async def _events(hub: Hub, listener: Listener, types: frozenset[str]) -> AsyncGenerator[ServerSentEvent, None]:
    yield ServerSentEvent(comment="listening", retry=RETRY_MS)
    try:
        async for told in hub.told(listener):
            if not types or told.type in types:
                yield ServerSentEvent(data=told.text, event=told.type, id=text_of(listener.position))
    except Dropped:
        yield ServerSentEvent(data='{"reason":"too slow: reconnect to go on after the last event"}', event="reset")
    except Unavailable:
        return  # the client comes again, and is told then what it missed


def _types(text: str | None) -> frozenset[str]:
    types = frozenset(filter(None, (text or "").split(",")))
    for each in types.difference(TYPES):
        near = difflib.get_close_matches(each, TYPES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(TYPES)}"
        raise invalid("types", f"no event has the type {each!r}; {hint}")
    return types


def text_of(position: Position) -> str:
    """A position as an event id: the stream id where there is one stream, else one for each."""
    if len(position) == 1:
        return next(iter(position.values()))
    return ",".join(f"{kind}.{shard}:{entry}" for (shard, kind), entry in position.items())


def position_of(text: str, hub: Hub, field: str) -> Position:
    """The position that an event id tells; a bare stream id stands for all streams. Raises Problem."""
    if _ENTRY.match(text):
        return dict.fromkeys(hub.sources, text)
    named = {f"{kind}.{shard}": (shard, kind) for shard, kind in hub.sources}
    position: Position = dict.fromkeys(hub.sources, "0-0")
    for part in text.split(","):
        name, _, entry = part.partition(":")
        if name not in named or not _ENTRY.match(entry):
            raise invalid(field, "expected the id of an event of this service")
        position[named[name]] = entry
    return position
