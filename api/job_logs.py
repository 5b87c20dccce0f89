"""GET /v1/jobs/{id}/log: what a job's containers put out, as text, or followed as server-sent events."""

import logging
import re
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.events import HEARTBEAT, RETRY_MS, SEND_TIMEOUT
from api.jobs import NO_CACHE, id_of, unknown
from api.problems import invalid
from api.query import Query
from api.requests import header
from api.services import Services
from duestream.errors import Unavailable
from duestream.job_logs import JobLogs, Piece
from duestream.jobs import OVER

log = logging.getLogger("duestream.logs")

STREAM = "text/event-stream"
STREAMS = ("stdout", "stderr")
LARGEST_TAIL = 1_000_000
RECHECK = 1.0  # seconds that a follower waits for output before it looks whether the job is over
GONE = "forgotten"
_ENTRY = re.compile(r"\d{1,15}(-\d{1,15})?", re.ASCII)


class LogEvent(msgspec.Struct, frozen=True):
    """Some output, mostly one line with its end: what the `data` of a server-sent event `log` holds."""

    attempt: int
    stream: str
    at: str
    text: str


class LogEnd(msgspec.Struct, frozen=True):
    """The `data` of the event `end`: the status in which the job is over."""

    status: str


class LogRoutes:
    """The handler; it knows where logs are."""

    def __init__(self, services: Services) -> None:
        self._logs = JobLogs(services.server, shards=len(services.shards))
        self._hub = services.hub

    async def log(self, request: Request) -> Response:
        """GET /v1/jobs/{id}/log: the output so far; as server-sent events it follows until the job is over."""
        id = id_of(request)
        query = Query(request)
        tail = query.whole("tail", 0, least=1, most=LARGEST_TAIL)
        wanted = Wanted(
            attempt=query.whole("attempt", 0, least=1, most=10**9),
            stream=query.choice("stream", ("", *STREAMS)) if query.text("stream") is not None else "",
        )
        follows = STREAM in (header(request, b"accept") or "").lower()
        last = header(request, b"last-event-id") or ""
        if follows and tail:
            raise invalid("tail", "expected only where the log is not followed")
        if follows and last and not _ENTRY.fullmatch(last):
            raise invalid("Last-Event-ID", "expected the id of an event of this log")
        if not await self._logs.status(id):
            raise unknown(id)
        if follows:
            return _Following(self._follow(id, wanted, last))
        headers = {"cache-control": NO_CACHE, "x-content-type-options": "nosniff"}
        return Response(await self._text(id, wanted, tail), 200, headers, "text/plain")

    async def _text(self, id: str, wanted: "Wanted", tail: int) -> str:
        texts: list[str] = []
        after = ""
        while pieces := await self._logs.read(id, after=after):
            texts += (piece.text for piece in pieces if wanted.has(piece))
            after = pieces[-1].entry
        text = "".join(texts)
        return "".join(text.splitlines(keepends=True)[-tail:]) if tail else text

    async def _follow(self, id: str, wanted: "Wanted", after: str) -> AsyncGenerator[ServerSentEvent, None]:
        yield ServerSentEvent(comment="following", retry=RETRY_MS)
        try:
            while not self._hub.closed:
                status = await self._logs.status(id) or GONE  # before the log: what is over writes no more
                pieces = await self._logs.read(id, after=after)
                for piece in pieces:
                    after = piece.entry
                    if wanted.has(piece):
                        told = LogEvent(piece.attempt, piece.stream, piece.stamp, piece.text)
                        yield ServerSentEvent(msgspec.json.encode(told).decode(), event="log", id=after)
                if pieces:
                    continue
                if status in OVER or status == GONE:
                    yield ServerSentEvent(msgspec.json.encode(LogEnd(status)).decode(), event="end", id=after or None)
                    return
                await self._logs.more(id, after=after, seconds=RECHECK)
        except Unavailable:
            return  # the client comes again, and goes on behind what it had last


class Wanted(msgspec.Struct, frozen=True):
    """Which output: of one attempt, 0 for all; of one stream, "" for both."""

    attempt: int
    stream: str

    def has(self, piece: Piece) -> bool:
        return self.attempt in (0, piece.attempt) and self.stream in ("", piece.stream)


class _Following(EventSourceResponse):
    def __init__(self, events: AsyncGenerator[ServerSentEvent, None]) -> None:
        given: Any = events
        super().__init__(given, ping=HEARTBEAT, send_timeout=SEND_TIMEOUT)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            log.info("a client took nothing for too long and was cut off")
