"""What the headers of a request ask for: preconditions, idempotency, who is asking and why."""

import hashlib
import re

import msgspec
from starlette.requests import Request

from api.problems import Problem, invalid
from duestream import instants
from duestream.clock import now_ms
from duestream.events import Origin
from duestream.journal import Once

ETAGS = r'^\*$|^(W/)?"[!#-~]*"([ \t]*,[ \t]*(W/)?"[!#-~]*")*$'
_TAGS = re.compile(ETAGS)
_TAG = re.compile(r'(?:W/)?"[^"]*"')
_SHOWN = {"if-match": "If-Match", "if-none-match": "If-None-Match"}
_TRACE = re.compile(r"^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")


def header(request: Request, name: bytes) -> str | None:
    """A header's value; of one that comes more than once, the last."""
    value: bytes | None = request.scope["duestream.headers"].get(name)
    return None if value is None else value.decode("latin-1")


def origin(request: Request) -> Origin:
    """Who asks, when and why, as events carry it."""
    scope = request.scope
    trace = header(request, b"traceparent")
    return Origin(
        at=instants.stamp_ms(now_ms()),
        by=scope["duestream.by"],
        cause=scope["duestream.request"],
        trace=trace if trace is not None and _TRACE.match(trace) else "",
    )


def once(request: Request, payload: object) -> Once | None:
    """The idempotency key of a request, scoped to who sends it where; None where there is none."""
    key = header(request, b"idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= 255:
        raise invalid("Idempotency-Key", "expected 1 to 255 characters")
    fingerprint = hashlib.sha256(msgspec.json.encode(payload)).hexdigest()[:32]
    scope = msgspec.json.encode((request.scope["duestream.by"], request.scope["path"], key)).decode()
    return Once(key=scope, fingerprint=fingerprint)


def etag(rev: int) -> str:
    return f'"{rev}"'


class Condition:
    """An If-Match header: which revisions the client would change; any where there is none. Weak tags match none."""

    def __init__(self, request: Request) -> None:
        tags = _tags(request, "if-match")
        self.given = tags is not None
        self._tags = tags

    def check(self, rev: int) -> None:
        """Raises Problem 412 where the entity's revision is none of those."""
        if self._tags is None or "*" in self._tags or etag(rev) in self._tags:
            return
        detail = f"If-Match names another revision; it is at {etag(rev)} now"
        raise Problem(412, "precondition-failed", detail, headers={"etag": etag(rev)})


def unchanged(request: Request, tag: str) -> bool:
    """Whether an If-None-Match header says that the client has this already (weak comparison, RFC 9110)."""
    tags = _tags(request, "if-none-match")
    return tags is not None and ("*" in tags or tag in {each.removeprefix("W/") for each in tags})


def _tags(request: Request, name: str) -> list[str] | None:
    """The tags of a header, as they are written; None where there is none. Raises Problem."""
    if header(request, name.encode()) is None:
        return None
    value = ",".join(request.headers.getlist(name)).strip()
    if value == "*":
        return ["*"]
    if not _TAGS.match(value):
        raise invalid(_SHOWN[name], f'expected * or ETags in quotes, such as "3", got {value!r}')
    return _TAG.findall(value)
