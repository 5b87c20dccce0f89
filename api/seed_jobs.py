"""/, /jobs and /job: timed containers, on the paths and in the words of the scheduler that this grew from.

Its dates are whole seconds in the configured time zone, so a job is taken to be accepted at the beginning of a second.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.bodies import Body
from api.job_cancels import Cancels
from api.job_submissions import Submissions
from api.jobs import ID, NO_CACHE
from api.problems import Problem
from api.query import Query
from api.requests import once, origin
from api.responses import Encoded
from api.services import Services
from duestream import instants
from duestream.containers import ContainerSpec, is_allowed
from duestream.errors import Refused
from duestream.job_models import Job
from duestream.jobs import (
    CANCELED,
    CANCELING,
    OVER,
    QUEUED,
    RETRYING,
    RUNNING,
    SCHEDULED,
    SUCCEEDED,
    WAITING,
    JobSpec,
    submitted,
)

DATE = "%d-%m-%Y %H:%M:%S"
PAGE, MOST_LISTED = 1000, 10_000
GROUPS = {"running": (RUNNING, CANCELING), "scheduled": (SCHEDULED, QUEUED, RETRYING), "history": OVER}
_SHOWN = {status: group for group, statuses in GROUPS.items() for status in statuses if group != "history"}
_TIME = re.compile(r"([0-9]{1,12})([smhd])", re.IGNORECASE)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_ATTEMPTS = 50
_encode = msgspec.json.Encoder().encode

Date = Annotated[str, Meta(description="as 24-12-2030 18:30:00, in the configured time zone")]


class NewTimedJob(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An image to run, after a time (as 30s, 2m, 1h, 4d) or at a date (as 24-12-2030 18:30:00); one of the two."""

    job_name: Annotated[str, Meta(examples=["busybox:1.36"])]
    time: Annotated[str, Meta(examples=["2m"])] | None = None
    date: Annotated[str, Meta(examples=["24-12-2030 18:30:00"])] | None = None


class TimedJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job. status: running, scheduled, completed or canceled; the last two only once it is over."""

    id: str
    job_name: str
    scheduled_in: Date
    scheduled_to: Date
    status: str
    finish_status: Annotated[str, Meta(description="success, failure or did_not_run")] | UnsetType = UNSET
    finish_date: Date | UnsetType = UNSET


class TimedJobs(msgspec.Struct, frozen=True):
    """The newest jobs, by their ids."""

    running: dict[str, TimedJob]
    scheduled: dict[str, TimedJob]
    history: dict[str, TimedJob]


class Message(msgspec.Struct, frozen=True):
    """What came of it, in words."""

    message: str


NEW = Body(NewTimedJob, form=(), example={"job_name": "busybox:1.36", "time": "2m"})


class SeedJobRoutes:
    """The handlers."""

    def __init__(self, services: Services, submissions: Submissions, cancels: Cancels) -> None:
        self._jobs = services.jobs
        self._settings = services.settings
        self._zone = services.settings.zone
        self._submissions = submissions
        self._cancels = cancels

    async def start(self, _: Request) -> Response:
        """GET /: leads to the jobs."""
        return RedirectResponse("/jobs", 302)

    async def list(self, request: Request) -> Response:
        """GET /jobs: the newest jobs that are running, scheduled and over."""
        try:
            limit = Query(request).whole("limit", PAGE, least=1, most=MOST_LISTED)
        except Problem as problem:
            return _message(400, problem.detail)
        await self._jobs.applied()
        found = {}
        for group, statuses in GROUPS.items():
            jobs = await self._jobs.page(limit=limit, statuses=statuses)
            found[group] = {job.id: timed(job, self._zone) for job in jobs}
        return _json(200, TimedJobs(**found))

    async def create(self, request: Request) -> Response:
        """POST /job: have an image run after a time, or at a date."""
        try:
            new = await NEW.one(request, self._settings.body_limit)
        except Problem as problem:
            if problem.status not in (400, 422):
                raise
            return _message(400, problem.detail)
        source = origin(request)
        accepted = datetime.fromisoformat(source.at).replace(microsecond=0)
        try:
            check_name(new.job_name, self._settings.image_patterns)
            run_at = run_time(new, accepted, self._zone)
        except ValueError as error:
            return _message(400, str(error))
        spec = JobSpec(container=ContainerSpec(image=new.job_name))
        taken = await self._submissions.submit(source, [submitted(spec, instants.exact(run_at))], once(request, new))
        when = f"in {new.time}" if new.time is not None else f"on {new.date}"
        return _message(200, f"job {new.job_name} with id {taken.ids[0]} will be scheduled to run {when}")

    async def read(self, request: Request) -> Response:
        """GET /job/{id}: one job."""
        id = request.path_params["id"]
        job = await self._jobs.get(id) if ID.fullmatch(id) else None
        if job is None:
            return _not_found(id)
        return _json(200, timed(job, self._zone))

    async def cancel(self, request: Request) -> Response:
        """DELETE /job/{id}: de-schedule a job that has not begun."""
        id = request.path_params["id"]
        for _ in range(_ATTEMPTS):
            job = await self._jobs.get(id) if ID.fullmatch(id) else None
            if job is None or job.status not in WAITING:
                return _not_found(id)
            try:
                await self._cancels.cancel(origin(request), job)
            except Refused:
                continue
            return _message(200, f"job {id} was de-scheduled")
        raise Problem(409, "conflict", f"job {id} is being changed too often")


def check_name(name: str, patterns: list[str]) -> None:
    """Raises ValueError for a name that no image has, or that may not be run here."""
    if not 1 <= len(name) <= 255 or not name.isprintable() or not name.strip():
        raise ValueError(f"job_name: expected 1 to 255 printable characters, got {name[:255]!r}")
    if not is_allowed(name, patterns):
        raise ValueError(f"job_name: {name!r} is not among the images that may be run")


def run_time(new: NewTimedJob, accepted: datetime, zone: tzinfo | None) -> datetime:
    """When a job is to run that is accepted at a time. Raises ValueError."""
    if (new.time is None) == (new.date is None):
        raise ValueError(f"time, date: expected one of them, got {'neither' if new.time is None else 'both'}")
    if new.time is not None:
        match = _TIME.fullmatch(new.time)
        if not match:
            raise ValueError(f"time: expected a whole number and one unit, as 30s, 2m, 1h or 4d, got {new.time!r}")
        try:
            return accepted + timedelta(**{_UNITS[match.group(2).lower()]: int(match.group(1))})
        except OverflowError:
            raise ValueError(f"time: expected one that ends before the year 10000, got {new.time!r}") from None
    assert new.date is not None
    return date_of(new.date, accepted, zone)


def date_of(text: str, accepted: datetime, zone: tzinfo | None) -> datetime:
    """A date that is to come. Raises ValueError."""
    try:
        local = datetime.strptime(text, DATE)
    except ValueError:
        raise ValueError(f"date: expected one that exists, as 24-12-2030 18:30:00, got {text!r}") from None
    try:
        at = (local.astimezone() if zone is None else local.replace(tzinfo=zone)).astimezone(UTC)
        exists = at.astimezone(zone).replace(tzinfo=None) == local
    except (OverflowError, OSError):
        exists = False
    if not exists:
        raise ValueError(f"date: expected one that exists in this time zone, got {text!r}")
    if at < accepted:
        raise ValueError(f"date: expected one that is to come, got {text!r}")
    return at


def timed(job: Job, zone: tzinfo | None) -> TimedJob:
    """A job in the words of these paths."""
    container = job.spec.container
    return TimedJob(
        id=job.id,
        job_name=job.spec.handler if container is None else container.image,
        scheduled_in=_shown(job.create_dt, zone),
        scheduled_to=_shown(job.run_at or job.create_dt, zone),
        status=_SHOWN.get(job.status, CANCELED if job.status == CANCELED else "completed"),
        finish_status=_finish_status(job) if job.over else UNSET,
        finish_date=_shown(job.state.update_dt, zone) if job.over else UNSET,
    )


def _finish_status(job: Job) -> str:
    if job.status == SUCCEEDED:
        return "success"
    return "failure" if job.attempts else "did_not_run"


def _shown(stored: str, zone: tzinfo | None) -> str:
    at = datetime.fromisoformat(stored)
    try:
        return at.astimezone(zone).strftime(DATE)
    except (OverflowError, ValueError):  # within hours of the year 10000
        return at.strftime(DATE)


def _not_found(id: str) -> Response:
    return _message(404, f"job with id {id} not found")


def _message(status: int, text: str) -> Response:
    return _json(status, Message(text))


def _json(status: int, value: object) -> Response:
    return Encoded(_encode(value), status, {"cache-control": NO_CACHE})
