"""Jobs: a handler with a payload, or a container, to be run now or at a time.

    (absent) --scheduled--> scheduled --queued--> queued --started--> running --succeeded | failed--> over
    (absent) --submitted--> queued                                    running --retrying--> retrying --queued--> queued
    scheduled, queued, retrying, running --canceled--> canceled       running --taken over--> running, the next attempt
    running --canceling--> canceling --stopped--> canceled            running --released--> queued
    scheduled, queued, retrying --missed--> failed                    over --resubmitted--> queued
    over --forgotten--> (absent)

What is due is part of the job's state: when to queue it while it is scheduled or retrying, when to give it up while it
is queued and may not start later than that, when to forget it once it is over. Everything a runner writes is fenced by
its attempt's number. Attempts are facts, each told by the event that began it and the one that ended it, so that no
event need repeat them.
"""

from typing import ClassVar

import msgspec

from duestream import instants
from duestream.changes import Change, event_field
from duestream.containers import ContainerSpec
from duestream.events import Entry, Event, Events, Step, Steps, Unreadable

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

_ACCEPTED = (JobSubmitted, JobScheduled)
_LOST = "lost"
_STATUS = {kind: step.to for kind, step in STEPS.items()}
_encode = msgspec.json.Encoder().encode


class JobState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of a job changes, but for its status and result: one field of its read model."""

    update_dt: str
    run_at: str = ""
    error: str = ""
    progress: float | None = None
    note: str = ""
    failures: int = 0


class Attempt(msgspec.Struct, frozen=True):
    """One start of a job. outcome: "" while it runs, succeeded, failed, released, canceled, or lost with its runner."""

    number: int
    runner: str
    start_dt: str
    end_dt: str = ""
    outcome: str = ""
    error: str = ""
    exit_code: int | None = None
    oom_killed: bool = False
    image_digest: str = ""
    limits: dict[str, int | float] = msgspec.field(default_factory=dict)


class AttemptEnd(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one ended: a field of the read model."""

    end_dt: str
    outcome: str
    error: str = ""
    exit_code: int | None = None
    oom_killed: bool = False
    image_digest: str = ""
    limits: dict[str, int | float] = msgspec.field(default_factory=dict)


class Job(msgspec.Struct, frozen=True):
    """A job as stored. Times as text, see `instants`; run_at: the time that it was asked for, "" for at once."""

    id: str
    rev: int
    status: str
    spec: JobSpec
    create_dt: str
    run_at: str
    state: JobState
    result: msgspec.Raw | None
    attempts: list[Attempt]

    @property
    def over(self) -> bool:
        return self.status in OVER


_decode_state = msgspec.json.Decoder(JobState).decode
_decode_end = msgspec.json.Decoder(AttemptEnd).decode


class _Accepted(JobSpec, frozen=True):
    run_at: str = ""


_decode_accepted = msgspec.json.Decoder(_Accepted).decode
_decode_spec = msgspec.json.Decoder(JobSpec).decode
_OUTCOMES: dict[type[Event], str] = {
    JobSucceeded: "succeeded",
    JobFailed: "failed",
    JobRetrying: "failed",
    JobStopped: "canceled",
}


def ready_queue(spec: JobSpec) -> str:
    """The name of the ready stream on which a job waits: containers have one of their own in each queue."""
    return f"{spec.queue}{CONTAINERS}" if spec.container is not None else spec.queue


def submitted(spec: JobSpec, run_at: str) -> JobScheduled | JobSubmitted:
    """A new job; run_at: as `instants.exact`, "" for now."""
    fields = msgspec.structs.asdict(spec)
    return JobScheduled(**fields, run_at=run_at) if run_at else JobSubmitted(**fields)


def work_of(job: Job) -> bytes:
    """What a runner is to get of a job that is queued again; where it was over, no matter how late."""
    spec = msgspec.structs.replace(job.spec, deadline="") if job.over else job.spec
    return _encode(Work(**msgspec.structs.asdict(spec), failures=job.state.failures))


def project(entry: Entry) -> Change:
    """What an entry of the jobs' journal does to the read models. Raises Unreadable."""
    event = EVENTS.decode(entry)
    try:
        return _change(entry, event)
    except ValueError as error:
        raise Unreadable(f"field 'at' or a time in 'data': {error}") from None


def _change(entry: Entry, event: Event) -> Change:
    kind, status = type(event), _STATUS[type(event)]
    facts = {event_field(entry.rev): entry.entry}
    due, state = None, JobState(instants.check_stamp(entry.at))
    if kind is JobForgotten:
        return Change(id=entry.id, rev=entry.rev, facts=facts, state={"status": None, "state": None}, gone=True)
    if isinstance(event, JobStarted):
        facts[f"a{event.attempt}"] = f"{entry.at} {entry.by}"
    elif isinstance(event, Ended):
        due, state = _ending(entry, event, facts)
    elif isinstance(event, _ACCEPTED):
        facts["spec"] = entry.data
        facts["create_dt"] = entry.at
        when = event.run_at if isinstance(event, JobScheduled) else event.deadline
        due = instants.ms(when) if when else None
    else:
        due, state = _other(entry, event, facts)
    return Change(
        id=entry.id,
        rev=entry.rev,
        facts=facts,
        state={"status": status, "state": _encode(state).decode()},
        place=status,
        due=due,
    )


def _ending(entry: Entry, event: Ended, facts: dict[str, str]) -> tuple[int | None, JobState]:
    """The end of an attempt, which may be the job's."""
    if isinstance(event, JobSucceeded):
        result = bytes(event.result)
        if result != b"null":  # as most have it that return nothing
            facts[f"v{event.attempt}"] = result.decode()
        facts[f"z{event.attempt}"] = _end_of(entry, event, "")
        return _forgetting(entry, event.keep), JobState(entry.at)
    if isinstance(event, JobRetrying):
        facts[f"z{event.attempt}"] = _end_of(entry, event, event.error)
        state = JobState(entry.at, run_at=event.run_at, error=event.error, failures=event.failures)
        return instants.ms(event.run_at), state
    assert isinstance(event, JobFailed | JobStopped)
    error = event.error if isinstance(event, JobFailed) else ""
    facts[f"z{event.attempt}"] = _end_of(entry, event, error)
    return _forgetting(entry, event.keep), JobState(entry.at, error=error)


def _other(entry: Entry, event: Event, facts: dict[str, str]) -> tuple[int | None, JobState]:
    match event:
        case JobTakenOver():
            facts[f"a{event.attempt}"] = f"{entry.at} {entry.by} {_LOST}"
        case JobReleased():
            facts[f"z{event.attempt}"] = _encode(AttemptEnd(entry.at, "released")).decode()
            return None, JobState(entry.at, failures=event.failures)
        case JobRescheduled():
            facts[f"r{entry.rev}"] = event.run_at
            return instants.ms(event.run_at), JobState(entry.at, run_at=event.run_at)
        case JobQueued():
            return instants.ms(event.deadline) if event.deadline else None, JobState(entry.at, failures=event.failures)
        case JobProgressed():
            return None, JobState(entry.at, progress=event.progress, note=event.note)
        case JobCanceled():
            facts[f"c{entry.rev}"] = entry.at
            return _forgetting(entry, event.keep), JobState(entry.at)
        case JobMissed():
            return _forgetting(entry, event.keep), JobState(entry.at, error=event.error)
    return None, JobState(entry.at)


def _forgetting(entry: Entry, keep: int) -> int | None:
    return instants.ms_of_stamp(entry.at) + keep * 1000 if keep else None


def _end_of(entry: Entry, event: Ended, error: str) -> str:
    end = AttemptEnd(
        entry.at, _OUTCOMES[type(event)], error, event.exit_code, event.oom_killed, event.image_digest, event.limits
    )
    return _encode(end).decode()


def job_of(id: str, model: dict[str, str]) -> Job | None:
    """A job from its read model; None while it is not there, or not whole, or gone."""
    try:
        accepted, spec = _decode_accepted(model["spec"]), _decode_spec(model["spec"])
        state = _decode_state(model["state"])
        rev, status, create_dt = int(model["rev"]), model["status"], model["create_dt"]
        attempts = _attempts(model, status, state)
    except (KeyError, ValueError, msgspec.DecodeError):  # another's writing: `duestream verify` tells, `rebuild` mends
        return None
    moved = max((int(name[1:]) for name in model if name[:1] == "r" and name[1:].isdigit()), default=0)
    run_at = model[f"r{moved}"] if moved else accepted.run_at
    result = model.get(f"v{len(attempts)}", "null") if status == SUCCEEDED else None
    raw = None if result is None else msgspec.Raw(result.encode())
    return Job(id, rev, status, spec, create_dt, run_at, state, raw, attempts)


def _attempts(model: dict[str, str], status: str, state: JobState) -> list[Attempt]:
    attempts: list[Attempt] = []
    while (began := model.get(f"a{len(attempts) + 1}")) is not None:
        number = len(attempts) + 1
        start_dt, runner = began.split(" ")[:2]
        ended = model.get(f"z{number}")
        if ended is not None:
            end = _decode_end(ended)
            known = {name: getattr(end, name) for name in AttemptEnd.__struct_fields__}
            attempts.append(Attempt(number, runner, start_dt, **known))
            continue
        following = model.get(f"a{number + 1}", "").split(" ")
        end_dt, outcome = "", ""
        if following[2:] == [_LOST]:
            end_dt, outcome = following[0], "lost"
        elif status not in (RUNNING, CANCELING) or following[0]:
            ends = (at for name, at in model.items() if name[:1] == "c" and name[1:].isdigit() and at >= start_dt)
            end_dt, outcome = min(ends, default=state.update_dt), CANCELED
        attempts.append(Attempt(number, runner, start_dt, end_dt, outcome))
    return attempts
