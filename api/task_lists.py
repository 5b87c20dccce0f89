"""GET /v1/tasks: which tasks a client asks for, and where the next page begins."""

import base64
import binascii
from collections.abc import Callable
from datetime import datetime, tzinfo
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request

from api.problems import invalid
from api.query import Query, with_sign
from api.task_types import MOST
from duestream import instants
from duestream.tasks import Task

PAGE = 1000
MOST_SKIPPED = 10**12
CONSISTENCY = ("strong", "eventual")


class Wanted(msgspec.Struct, frozen=True):
    """What a client asks for. after: the id that the page begins behind; matches None: all of them."""

    limit: int
    offset: int
    after: int
    matches: Callable[[Task], bool] | None
    fresh: bool


def wanted(query: Query, zone: tzinfo | None) -> Wanted:
    """What the parameters say. Raises Problem."""
    cursor = query.text("cursor")
    if cursor is not None and query.text("offset") is not None:
        raise invalid("cursor", "expected either a cursor or an offset")
    return Wanted(
        limit=query.whole("limit", PAGE, least=1, most=MOST),
        offset=query.whole("offset", 0, least=0, most=MOST_SKIPPED),
        after=-1 if cursor is None else _after(cursor),
        matches=_filter(query, zone),
        fresh=query.choice("consistency", CONSISTENCY) == "strong",
    )


def next_page(request: Request, last: int) -> str:
    """The Link header that leads from a page to the next one; last: the page's last id."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in ("cursor", "offset")]
    return f'<{request.url.path}?{urlencode([*kept, ("cursor", _cursor(last))])}>; rel="next"'


def instant(text: str | None, field: str, zone: tzinfo | None) -> datetime | None:
    """A time that a client gave. Raises Problem."""
    if text is None:
        return None
    try:
        return instants.parse(text, zone)
    except ValueError as error:
        raise invalid(field, str(error)) from None


def _filter(query: Query, zone: tzinfo | None) -> Callable[[Task], bool] | None:
    before = _bound(query, "expires_before", zone)
    after = _bound(query, "expires_after", zone)
    prefix = query.text("title")
    if before is None and after is None and prefix is None:
        return None

    def matches(task: Task) -> bool:
        expiry = task.expiry_dt
        return (
            (before is None or (expiry is not None and expiry < before))
            and (after is None or (expiry is not None and expiry > after))
            and (prefix is None or task.title.startswith(prefix))
        )

    return matches


def _bound(query: Query, name: str, zone: tzinfo | None) -> str | None:
    text = query.text(name)
    at = instant(text if text is None else with_sign(text), name, zone)
    return None if at is None else instants.exact(at)


def _cursor(after: int) -> str:
    return base64.urlsafe_b64encode(f"tasks:{after}".encode()).decode().rstrip("=")


def _after(cursor: str) -> int:
    try:
        kind, _, after = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(":")
    except (binascii.Error, ValueError):
        kind, after = "", ""
    if kind != "tasks" or not (after.isascii() and after.isdigit() and len(after) < 16):
        raise invalid("cursor", "expected a cursor as a Link header of this list gave it")
    return int(after)
