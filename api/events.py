"""GET /v1/events: the journal as server-sent events, resumed by `Last-Event-ID`."""

import re
from collections.abc import AsyncGenerator

import msgspec
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response

from api.bodies import Query
from api.hub import Dropped, Hub, Position, Told
from api.problems import invalid
from api.services import Services
from api.tasks import TaskEvent
from duestream.errors import Unavailable

HEARTBEAT = 15  # seconds
SEND_TIMEOUT = 30.0  # seconds that one write to a client may take
RETRY_MS = 1000
_ENTRY = re.compile(r"^\d{1,15}(-\d{1,15})?$")


class JournalEvent(TaskEvent, frozen=True, omit_defaults=True, kw_only=True):
    """What the `data` of a server-sent event holds."""

    kind: str
    id: str


class EventRoutes:
    def __init__(self, services: Services) -> None:
        self._hub = services.hub

    async def events(self, request: Request) -> Response:
        """GET /v1/events: what is put on the journal from now on, or after the event that the client had last."""
        query = Query(request, ("types", "since"))
        types = frozenset(filter(None, (query.text("types") or "").split(",")))
        name = "Last-Event-ID" if "last-event-id" in request.headers else "since"
        last = request.headers.get("last-event-id") or query.text("since")
        since = None if last is None else position_of(last, self._hub, name)
        return EventSourceResponse(_stream(self._hub, since, types), ping=HEARTBEAT, send_timeout=SEND_TIMEOUT)


async def _stream(hub: Hub, since: Position | None, types: frozenset[str]) -> AsyncGenerator[ServerSentEvent, None]:
    yield ServerSentEvent(comment="listening", retry=RETRY_MS)
    listening = hub.follow(since)
    try:
        async for told in listening:
            if not types or told.entry.type in types:
                yield ServerSentEvent(data=_data(told), event=told.entry.type, id=text_of(told.position))
    except Dropped:
        yield ServerSentEvent(data='{"reason":"too slow: reconnect and read anew"}', event="reset")
    except Unavailable:
        return  # the client comes again, and is told then what it missed
    finally:
        await listening.aclose()


def _data(told: Told) -> str:
    entry = told.entry
    event = JournalEvent(
        kind=told.kind,
        id=entry.id,
        event=entry.entry,
        type=entry.type,
        rev=entry.rev,
        at=entry.at,
        by=entry.by,
        data=msgspec.Raw(entry.data.encode()),
        cause=entry.cause,
        trace=entry.trace,
    )
    return msgspec.json.encode(event).decode()


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
