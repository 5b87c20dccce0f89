"""What the headers of a request ask for: preconditions, idempotency, who is asking and why."""

import hashlib
import re
import time
from datetime import UTC, datetime

import msgspec
from starlette.requests import Request

from api.problems import Problem, invalid
from duestream import instants
from duestream.events import Origin
from duestream.journal import Once

_TAG = re.compile(r'(W/)?"([^"]*)"')
_TRACE = re.compile(r"^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")


def origin(request: Request) -> Origin:
    """Who asks, when and why, as events carry it."""
    trace = request.headers.get("traceparent", "")
    return Origin(
        at=instants.stamp(datetime.fromtimestamp(time.time(), UTC)),
        by=request.scope["duestream.by"],
        cause=request.scope["duestream.request"],
        trace=trace if _TRACE.match(trace) else "",
    )


def once(request: Request, payload: object) -> Once | None:
    """The idempotency key of a request, scoped to who sends it where; None where there is none."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= 255:
        raise invalid("Idempotency-Key", "expected 1 to 255 characters")
    fingerprint = hashlib.sha256(msgspec.json.encode(payload)).hexdigest()[:32]
    return Once(key=f"{request.scope['duestream.by']} {request.url.path} {key}", fingerprint=fingerprint)


def etag(rev: int) -> str:
    return f'"{rev}"'


class Condition:
    """An If-Match header: which revisions the client would change; any where there is none."""

    def __init__(self, request: Request) -> None:
        value = request.headers.get("if-match")
        self.given = value is not None
        self._any = value is None or value.strip() == "*"
        self._tags = {tag for weak, tag in _TAG.findall(value or "") if not weak}

    def check(self, rev: int) -> None:
        """Raises Problem 412 where the entity's revision is none of those."""
        if not self._any and str(rev) not in self._tags:
            raise self.failed(rev)

    def failed(self, rev: int) -> Problem:
        detail = f"If-Match names another revision; it is at {etag(rev)} now"
        return Problem(412, "precondition-failed", detail, headers={"etag": etag(rev)})


def unchanged(request: Request, tag: str) -> bool:
    """Whether an If-None-Match header says that the client has this already (weak comparison, RFC 9110)."""
    value = request.headers.get("if-none-match")
    if value is None:
        return False
    return value.strip() == "*" or tag.strip('"') in {each for _, each in _TAG.findall(value)}
