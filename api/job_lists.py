"""GET /v1/jobs: which jobs a client asks for, and where the next page begins."""

import base64
import binascii
import re
from collections.abc import Callable
from datetime import tzinfo
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request

from api.problems import invalid
from api.query import Query, with_sign
from api.task_lists import CONSISTENCY, instant
from duestream import instants
from duestream.job_models import Job
from duestream.jobs import RUNNING, STATUSES, WAITING

PAGE = 100
MOST_LISTED = 1000
ORDERS = ("newest", "oldest")
CANCELABLE = (*WAITING, RUNNING)
TIMES = ("created_after", "created_before", "run_after", "run_before")
_ID = re.compile(r"[0-9a-f]{32}")


class Wanted(msgspec.Struct, frozen=True):
    """What a client asks for. after: the id that the page begins behind; matches None: all of them."""

    limit: int
    statuses: tuple[str, ...]
    after: str
    newest_first: bool
    matches: Callable[[Job], bool] | None
    fresh: bool


def wanted(query: Query, zone: tzinfo | None) -> Wanted:
    """What the parameters say. Raises Problem."""
    return Wanted(
        limit=query.whole("limit", PAGE, least=1, most=MOST_LISTED),
        statuses=statuses(query, STATUSES) or STATUSES,
        after=_after(query.text("cursor")),
        newest_first=query.choice("order", ORDERS) == "newest",
        matches=_filter(query, zone),
        fresh=query.choice("consistency", CONSISTENCY) == "strong",
    )


def statuses(query: Query, choices: tuple[str, ...]) -> tuple[str, ...]:
    """The statuses that are asked for, none where the parameter is not given. Raises Problem."""
    text = query.text("status")
    if text is None:
        return ()
    found = tuple(dict.fromkeys(text.split(",")))
    for each in found:
        if each not in choices:
            raise invalid("status", f"expected some of {', '.join(choices)}, separated by commas, got {each!r}")
    return found


def next_page(request: Request, last: str) -> str:
    """The Link header that leads from a page to the next one; last: the page's last id."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    cursor = base64.urlsafe_b64encode(f"jobs:{last}".encode()).decode().rstrip("=")
    return f'<{request.url.path}?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'


def _after(cursor: str | None) -> str:
    if cursor is None:
        return ""
    try:
        kind, _, after = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(":")
    except (binascii.Error, ValueError):
        kind, after = "", ""
    if kind != "jobs" or not _ID.fullmatch(after):
        raise invalid("cursor", "expected a cursor as a Link header of this list gave it")
    return after


def _filter(query: Query, zone: tzinfo | None) -> Callable[[Job], bool] | None:
    tests: list[Callable[[Job], bool]] = []
    queue, image, handler = query.text("queue"), query.text("image"), query.text("handler")
    if queue is not None:
        tests.append(lambda job: job.spec.queue == queue)
    if image is not None:
        tests.append(lambda job: job.spec.container is not None and job.spec.container.image == image)
    if handler is not None:
        tests.append(lambda job: job.spec.container is None and job.spec.handler == handler)
    created_after, created_before, run_after, run_before = (_bound(query, name, zone) for name in TIMES)
    if created_after is not None:
        tests.append(lambda job: _exact(job.create_dt) > created_after)
    if created_before is not None:
        tests.append(lambda job: _exact(job.create_dt) < created_before)
    if run_after is not None:
        tests.append(lambda job: _exact(job.run_at or job.create_dt) > run_after)
    if run_before is not None:
        tests.append(lambda job: _exact(job.run_at or job.create_dt) < run_before)
    return (lambda job: all(test(job) for test in tests)) if tests else None


def _bound(query: Query, name: str, zone: tzinfo | None) -> str | None:
    text = query.text(name)
    at = instant(text if text is None else with_sign(text), name, zone)
    return None if at is None else instants.exact(at)


def _exact(stored: str) -> str:
    """A stored instant in µs, so that it compares as text."""
    return stored if len(stored) == 27 else f"{stored[:-1]}000Z"
