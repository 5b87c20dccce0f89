"""Errors as RFC 9457 problem details, and the one table from Duestream's errors to HTTP."""

import difflib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from duestream.errors import Behind, DuestreamError, InFlight, KeyReused, Refused, Unavailable

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = {"retry-after": "1"}


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field. field: as `title`, `[3].title`, or a query parameter's or header's name."""

    field: str
    message: str


class ProblemDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str = ""
    errors: list[FieldError] = []


def details(status: int, kind: str, detail: str, errors: list[FieldError]) -> ProblemDetails:
    """Problem details of one of our kinds."""
    return ProblemDetails(f"urn:duestream:problem:{kind}", HTTPStatus(status).phrase, status, detail, errors)


class Problem(Exception):
    """Ends a request with problem details; members: what else they hold."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.errors = list(errors)
        self.headers = headers
        self.members = members or {}

    def response(self) -> Response:
        told = details(self.status, self.kind, self.detail, self.errors)
        body = msgspec.json.encode({**msgspec.to_builtins(told), **self.members} if self.members else told)
        return Response(body, self.status, headers=dict(self.headers or {}), media_type=MEDIA_TYPE)


def invalid(field: str, message: str) -> Problem:
    """422: a field, query parameter or header says something impossible."""
    return Problem(422, "invalid", f"{field}: {message}", errors=[FieldError(field, message)])


def malformed(message: str) -> Problem:
    """400: the body cannot be read at all."""
    return Problem(400, "malformed", f"body: {message}", errors=[FieldError("body", message)])


def not_found(what: str) -> Problem:
    return Problem(404, "not-found", what)


_AT = re.compile(r" - at `(?:key in )?\$(.*?)`$")
_NAMED = re.compile(r"^Object (missing required|contains unknown) field `(.*)`$")


def from_validation(error: msgspec.ValidationError, known: Sequence[str] = ()) -> Problem:
    """422 for what msgspec found, with the field's name taken out of its message."""
    text = str(error)
    where = _AT.search(text)
    path = where.group(1).lstrip(".") if where else ""
    message = _AT.sub("", text)
    named = _NAMED.match(message)
    if named:
        name = named.group(2)
        path = f"{path}.{name}" if path else name
        if named.group(1) == "missing required":
            message = "required, but missing"
        else:
            near = difflib.get_close_matches(name, known, n=1)
            message = "unknown field" + (f"; did you mean {near[0]}?" if near else "")
    else:
        message = message[:1].lower() + message[1:]
    return invalid(path or "body", message)


def from_error(error: DuestreamError) -> Problem:
    """What a refusal of the core means over HTTP."""
    match error:
        case Unavailable():
            return Problem(
                503, "unavailable", "the store cannot be reached; if this was a write, it is unknown whether it was"
                " accepted: repeat it with the same Idempotency-Key", headers=RETRY_AFTER,
            )  # fmt: skip
        case Behind():
            return Problem(503, "behind", f"{error}; ?consistency=eventual does not wait", headers=RETRY_AFTER)
        case KeyReused():
            return invalid("Idempotency-Key", "was used before with another payload")
        case InFlight():
            return Problem(
                409, "in-flight", "the request with this Idempotency-Key is still being carried out",
                errors=[FieldError("Idempotency-Key", "still in flight")], headers=RETRY_AFTER,
            )  # fmt: skip
        case Refused():
            return Problem(409, "conflict", f"somebody else changed it at the same time: {error}")
    return Problem(500, "internal", "something went wrong here")


async def on_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def on_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, DuestreamError)
    return from_error(error).response()


async def on_http_exception(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    detail = "there is nothing at this path" if error.status_code == 404 else error.detail
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    if error.status_code == 405:
        headers.setdefault("allow", "GET, HEAD")  # of static files, which do not say it
    return Problem(error.status_code, kind, detail, headers=headers).response()


def on_crash(*, debug: bool) -> Callable[[Request, Exception], Awaitable[Response]]:
    """What a mistake of ours is answered with; in debugging that says what it was."""

    async def answer(request: Request, error: Exception) -> Response:
        detail = f"{type(error).__name__}: {error}" if debug else "something went wrong here; it is in the log"
        id = request.scope.get("duestream.request", "")
        return Problem(500, "internal", detail, headers={"x-request-id": id}).response()

    return answer
