"""Jobs: a handler with a payload, or a container, to be run now or at a time.

    (absent) --scheduled--> scheduled --queued--> queued --started--> running --succeeded | failed--> over
    (absent) --submitted--> queued                                    running --retrying--> retrying --queued--> queued
    scheduled, queued, retrying, running --canceled--> canceled       running --taken over--> running, the next attempt
    running --canceling--> canceling --stopped--> canceled            running --released--> queued
    scheduled, queued, retrying --missed--> failed                    over --resubmitted--> queued
    over --forgotten--> (absent)

What is due is part of the job's state: when to queue it while it is scheduled or retrying, when to give it up while it
is queued and may not start later than that, when to forget it once it is over. Everything a runner writes is fenced by
its attempt's number. `job_models` says how a job is read.
"""

from typing import ClassVar

import msgspec

from duestream.containers import ContainerSpec
from duestream.events import Event, Events, Step, Steps

SCHEDULED, QUEUED, RUNNING, RETRYING, CANCELING = "scheduled", "queued", "running", "retrying", "canceling"
SUCCEEDED, FAILED, CANCELED = "succeeded", "failed", "canceled"
LIVE = (SCHEDULED, QUEUED, RUNNING, RETRYING, CANCELING)
OVER = (SUCCEEDED, FAILED, CANCELED)
STATUSES = (*LIVE, *OVER)
WAITING = (SCHEDULED, QUEUED, RETRYING)
DEFAULT_QUEUE = "default"
CONTAINERS = ":containers"  # ends the names of ready streams that hold containers

_NULL = msgspec.Raw(b"null")


class JobSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """What to run and how: what of a job never changes. It has a handler or a container.

    payload: any JSON; timeout: s of one attempt, 0: none; retries: further attempts after failures; backoff: s before
    the first of them; deadline: as `instants.exact`, not started later than that, "": no matter how late; unique: of
    all living jobs only one has it; webhook: a URL that is told of the end.
    """

    handler: str = ""
    payload: msgspec.Raw = _NULL
    container: ContainerSpec | None = None
    queue: str = DEFAULT_QUEUE
    timeout: float = 0.0
    retries: int = 0
    backoff: float = 1.0
    deadline: str = ""
    unique: str = ""
    webhook: str = ""


class Work(JobSpec, frozen=True, omit_defaults=True):
    """What a runner gets of a job: its specification, and how many attempts have failed."""

    failures: int = 0


class JobScheduled(JobSpec, Event, frozen=True, omit_defaults=True, kw_only=True):
    """A job for later. run_at: as `instants.exact`."""

    type: ClassVar[str] = "job.scheduled"
    run_at: str


class JobSubmitted(JobSpec, Event, frozen=True, omit_defaults=True):
    """A job for now."""

    type: ClassVar[str] = "job.submitted"


class JobRescheduled(Event, frozen=True):
    """run_at: as `instants.exact`."""

    type: ClassVar[str] = "job.rescheduled"
    run_at: str


class JobQueued(Event, frozen=True):
    """Its time has come. deadline: as the job's own, while it has not been started."""

    type: ClassVar[str] = "job.queued"
    deadline: str = ""
    failures: int = 0


class JobResubmitted(Event, frozen=True):
    """It was over, and somebody wants it to run again."""

    type: ClassVar[str] = "job.resubmitted"


class JobStarted(Event, frozen=True):
    """attempt: the fencing number of all that its runner writes; the runner is who caused this event."""

    type: ClassVar[str] = "job.started"
    attempt: int


class JobTakenOver(Event, frozen=True):
    """The runner of the attempt before this one is gone."""

    type: ClassVar[str] = "job.taken_over"
    attempt: int


class JobProgressed(Event, frozen=True):
    """progress: from 0 to 1."""

    type: ClassVar[str] = "job.progressed"
    attempt: int
    progress: float
    note: str = ""


class Ended(Event, frozen=True):
    """What is known at the end of an attempt, the last four of a container's only. limits: that were in force."""

    attempt: int
    exit_code: int | None = None
    oom_killed: bool = False
    image_digest: str = ""
    limits: dict[str, int | float] = msgspec.field(default_factory=dict)


class JobSucceeded(Ended, frozen=True, kw_only=True):
    """keep: seconds until the job is forgotten, 0: never; of all that end it."""

    type: ClassVar[str] = "job.succeeded"
    result: msgspec.Raw = _NULL
    keep: int = 0
    webhook: str = ""


class JobFailed(Ended, frozen=True, kw_only=True):
    type: ClassVar[str] = "job.failed"
    error: str
    keep: int = 0
    webhook: str = ""


class JobRetrying(Ended, frozen=True, kw_only=True):
    """The attempt failed, and there will be another at `run_at` (as `instants.exact`)."""

    type: ClassVar[str] = "job.retrying"
    error: str
    run_at: str
    failures: int


class JobReleased(Event, frozen=True):
    """Its runner stops, and hands it back unfinished."""

    type: ClassVar[str] = "job.released"
    attempt: int
    failures: int = 0


class JobMissed(Event, frozen=True):
    """It was not started in time."""

    type: ClassVar[str] = "job.missed"
    error: str
    keep: int = 0
    webhook: str = ""


class JobCanceling(Event, frozen=True):
    """Its container is to be stopped."""

    type: ClassVar[str] = "job.canceling"


class JobCanceled(Event, frozen=True):
    type: ClassVar[str] = "job.canceled"
    keep: int = 0
    webhook: str = ""


class JobStopped(Ended, frozen=True, kw_only=True):
    """Its container was stopped, since it was canceled."""

    type: ClassVar[str] = "job.stopped"
    keep: int = 0
    webhook: str = ""


class JobForgotten(Event, frozen=True):
    """It leaves the read models."""

    type: ClassVar[str] = "job.forgotten"


_OVER = " ".join(OVER)
_ENDS = Step(start=f"{RUNNING} {CANCELING}", to="", fenced=True, done=True, hooks=True)
STEPS: Steps = {
    JobScheduled: Step(start="", to=SCHEDULED, unique=True),
    JobSubmitted: Step(start="", to=QUEUED, unique=True, ready=True),
    JobRescheduled: Step(start=SCHEDULED, to=SCHEDULED),
    JobQueued: Step(start=f"{SCHEDULED} {RETRYING}", to=QUEUED, ready=True),
    JobResubmitted: Step(start=_OVER, to=QUEUED, unique=True, ready=True),
    JobStarted: Step(start=QUEUED, to=RUNNING, begins=True),
    JobTakenOver: Step(start=RUNNING, to=RUNNING, begins=True),
    JobProgressed: Step(start=RUNNING, to=RUNNING, fenced=True),
    JobSucceeded: msgspec.structs.replace(_ENDS, to=SUCCEEDED),
    JobFailed: msgspec.structs.replace(_ENDS, to=FAILED),
    JobRetrying: Step(start=RUNNING, to=RETRYING, fenced=True, done=True),
    JobReleased: Step(start=RUNNING, to=QUEUED, fenced=True, ready=True, done=True),
    JobMissed: Step(start=" ".join(WAITING), to=FAILED, done=True, hooks=True),
    JobCanceling: Step(start=RUNNING, to=CANCELING, halts=True),
    JobCanceled: Step(start=f"{' '.join(WAITING)} {RUNNING}", to=CANCELED, done=True, hooks=True, halts=True),
    JobStopped: Step(start=CANCELING, to=CANCELED, fenced=True, done=True, hooks=True),
    JobForgotten: Step(start=_OVER, to="", unique=True),
}
EVENTS = Events(*STEPS)
ENDS: tuple[type[Event], ...] = (JobSucceeded, JobFailed, JobMissed, JobCanceled, JobStopped)


def ready_queue(spec: JobSpec) -> str:
    """The name of the ready stream on which a job waits: containers have one of their own in each queue."""
    return f"{spec.queue}{CONTAINERS}" if spec.container is not None else spec.queue


def submitted(spec: JobSpec, run_at: str) -> JobScheduled | JobSubmitted:
    """A new job; run_at: as `instants.exact`, "" for now."""
    fields = msgspec.structs.asdict(spec)
    return JobScheduled(**fields, run_at=run_at) if run_at else JobSubmitted(**fields)
