"""What clients send and get about jobs; the same types validate bodies and make the OpenAPI document."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.entries import EventView
from api.task_types import INSTANT, Stamp
from duestream import instants
from duestream.containers import LEAST_CPUS
from duestream.job_models import Attempt, Job
from duestream.settings import QUEUE

MOST = 10_000  # jobs in one request
LARGEST_PAYLOAD = 256 * 1024  # bytes of JSON
ID = {"type": "string", "pattern": "^[0-9a-f]{32}$", "examples": ["019aab3c5d007a1b8000000100000002"]}

JobId = Annotated[str, Meta(extra_json_schema=ID)]
Image = Annotated[str, Meta(min_length=1, max_length=255, examples=["busybox:1.36"])]
Word = Annotated[str, Meta(max_length=131_072)]
Span = Annotated[
    str | int | float, Meta(description="such as 90s, 2m or 2h30m; or a number of seconds", examples=["2m", 30])
]
When = Annotated[
    str,
    Meta(
        description="RFC 3339; without an offset it is in the configured time zone",
        examples=["2030-12-24T18:30:00+01:00"],
        extra_json_schema=INSTANT,  # not checked by msgspec: `instants.parse` refuses in words
    ),
]
Deadline = Annotated[
    str | int | float,
    Meta(
        description="not started later than at this time, or than so long after it is to run: RFC 3339, or a span",
        examples=["2030-12-24T19:00:00+01:00", "10m"],
    ),
]
Memory = Annotated[int | str, Meta(description="bytes, or with a unit", examples=["64m", "1g", 67108864])]
Status = Literal["scheduled", "queued", "running", "retrying", "canceling", "succeeded", "failed", "canceled"]
Seconds = Annotated[float, Meta(ge=0, examples=[0.125])]


class NewJob(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A job to run: a handler with a payload, or a container. Null is as good as not given.

    Of containers only: command, env, workdir, user, memory, cpus, network, pull. When: now, or after `delay`, or at
    `run_at`. retries: further attempts where one fails, the first of them after `backoff`, then twice as long each.
    """

    handler: Annotated[str, Meta(min_length=1, max_length=255, examples=["length"])] | None = None
    payload: Annotated[msgspec.Raw, Meta(description="any JSON up to 256 KiB")] | UnsetType = UNSET
    image: Image | None = None
    command: Annotated[list[Word], Meta(min_length=1, max_length=1000)] | None = None
    env: dict[str, Word] | None = None
    workdir: Annotated[str, Meta(max_length=4096)] | None = None
    user: Annotated[str, Meta(max_length=255)] | None = None
    memory: Memory | None = None
    cpus: Annotated[float, Meta(ge=LEAST_CPUS, le=1024)] | None = None
    network: Literal["none", "bridge"] | None = None
    pull: Literal["missing", "always", "never"] | None = None
    delay: Span | None = None
    run_at: When | None = None
    timeout: Span | None = None
    retries: Annotated[int, Meta(ge=0, le=100)] | None = None
    backoff: Span | None = None
    queue: Annotated[str, Meta(extra_json_schema={"pattern": QUEUE.pattern})] | None = None
    start_deadline: Deadline | None = None
    unique: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    webhook: Annotated[str, Meta(min_length=1, max_length=2048, description="a URL that is told of the end")] | None = (
        None
    )


CONTAINER_OPTIONS = ("command", "env", "workdir", "user", "memory", "cpus", "network", "pull")


class JobTime(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a scheduled job is to run instead: one of the two."""

    run_at: When | None = None
    delay: Span | None = None


class AttemptView(msgspec.Struct, frozen=True):
    """One start of a job. outcome: null while it runs; `lost` with its runner."""

    number: int
    runner: str
    start_dt: Stamp
    end_dt: Stamp | None
    outcome: str | None
    error: str | None
    exit_code: int | None
    oom_killed: bool
    ran: Seconds | None


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    """A job. What it is to do is told as it was asked for, handlers' and containers' options only of such.

    waited: from when it was to run until its first attempt; ran: how long the last attempt took; of times: seconds.
    limits: that were in force in the last attempt. retry_at: of the next attempt, while it is `retrying`.
    """

    id: JobId
    status: Status
    handler: str | UnsetType = UNSET
    payload: msgspec.Raw | UnsetType = UNSET
    image: str | UnsetType = UNSET
    command: list[str] | None | UnsetType = UNSET
    env: dict[str, str] | UnsetType = UNSET
    workdir: str | None | UnsetType = UNSET
    user: str | None | UnsetType = UNSET
    memory: int | None | UnsetType = UNSET
    cpus: float | None | UnsetType = UNSET
    network: str | UnsetType = UNSET
    pull: str | UnsetType = UNSET
    queue: str
    timeout: Seconds | None
    retries: int
    backoff: Seconds
    start_deadline: Stamp | None
    unique: str | None
    webhook: str | None
    create_dt: Stamp
    update_dt: Stamp
    run_at: Stamp
    retry_at: Stamp | None
    start_dt: Stamp | None
    end_dt: Stamp | None
    waited: Seconds | None
    ran: Seconds | None
    progress: float | None
    note: str | None
    result: msgspec.Raw | None
    error: str | None
    exit_code: int | None | UnsetType = UNSET
    oom_killed: bool | UnsetType = UNSET
    image_digest: str | None | UnsetType = UNSET
    limits: dict[str, float] | None | UnsetType = UNSET
    attempts: list[AttemptView]


class JobIds(msgspec.Struct, frozen=True):
    """The ids of many jobs, in the order in which they were submitted."""

    ids: list[JobId]


class JobList(msgspec.Struct, frozen=True):
    """Jobs in the order in which they were submitted, the newest first unless asked otherwise."""

    jobs: list[JobView]


class JobsCanceled(msgspec.Struct, frozen=True):
    """How many jobs were canceled, or are being so."""

    canceled: int


class JobHistory(msgspec.Struct, frozen=True):
    """A job's events, oldest first."""

    events: list[EventView]


def view(job: Job) -> JobView:
    """A job as clients see it."""
    spec, state, box = job.spec, job.state, job.spec.container
    first, last = (job.attempts[0], job.attempts[-1]) if job.attempts else (None, None)
    due = max(job.run_at, job.create_dt) if job.run_at else job.create_dt
    what: dict[str, object] = (
        {"handler": spec.handler, "payload": spec.payload}
        if box is None
        else {
            "image": box.image,
            "command": box.command,
            "env": box.env,
            "workdir": box.workdir or None,
            "user": box.user or None,
            "memory": box.memory or None,
            "cpus": box.cpus or None,
            "network": box.network or "none",
            "pull": box.pull,
            "exit_code": last.exit_code if last else None,
            "oom_killed": last.oom_killed if last else False,
            "image_digest": (last.image_digest or None) if last else None,
            "limits": (last.limits or None) if last else None,
        }
    )
    return JobView(
        id=job.id,
        status=job.status,  # type: ignore[arg-type]
        queue=spec.queue,
        timeout=spec.timeout or None,
        retries=spec.retries,
        backoff=spec.backoff,
        start_deadline=_shown(spec.deadline),
        unique=spec.unique or None,
        webhook=spec.webhook or None,
        create_dt=job.create_dt,
        update_dt=state.update_dt,
        run_at=instants.shown(job.run_at or job.create_dt),
        retry_at=_shown(state.run_at) if job.status == "retrying" else None,
        start_dt=first.start_dt if first else None,
        end_dt=state.update_dt if job.over else None,
        waited=_between(due, first.start_dt) if first else None,
        ran=_ran(last) if last else None,
        progress=state.progress,
        note=state.note or None,
        result=job.result,
        error=state.error or None,
        attempts=[_attempt(each) for each in job.attempts],
        **what,  # type: ignore[arg-type]
    )


def _attempt(each: Attempt) -> AttemptView:
    return AttemptView(
        each.number, each.runner, each.start_dt, each.end_dt or None, each.outcome or None, each.error or None,
        each.exit_code, each.oom_killed, _ran(each),
    )  # fmt: skip


def _ran(attempt: Attempt) -> float | None:
    return _between(attempt.start_dt, attempt.end_dt) if attempt.end_dt else None


def _between(start: str, end: str) -> float:
    return max(0, instants.ms(end) - instants.ms(start)) / 1000


def _shown(text: str) -> str | None:
    return instants.shown(text) if text else None
