"""The read model of jobs: what events make of it, and the job that it holds.

Attempts are facts, each told by the event that began it and the one that ended it, so that no event need repeat them.
"""

from functools import lru_cache
from typing import Any

import msgspec

from duestream import instants
from duestream.changes import Change, event_field
from duestream.events import Entry, Event, Unreadable
from duestream.jobs import (
    CANCELED,
    CANCELING,
    EVENTS,
    OVER,
    RUNNING,
    STEPS,
    SUCCEEDED,
    Ended,
    JobCanceled,
    JobFailed,
    JobForgotten,
    JobMissed,
    JobProgressed,
    JobQueued,
    JobReleased,
    JobRescheduled,
    JobRetrying,
    JobScheduled,
    JobSpec,
    JobStarted,
    JobStopped,
    JobSubmitted,
    JobSucceeded,
    JobTakenOver,
    Work,
)

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
    due, state = None, _unremarkable(entry.at)
    if kind is JobForgotten:
        return Change(entry.id, entry.rev, facts, {"status": None, "state": None}, gone=True)
    if isinstance(event, JobStarted):
        facts[f"a{event.attempt}"] = f"{entry.at} {entry.by}"
    elif isinstance(event, Ended):
        facts[f"z{event.attempt}"] = _end_of(entry.at, event)
        due, state = _ending(entry, event, facts)
    elif isinstance(event, _ACCEPTED):
        facts["spec"] = entry.data
        facts["create_dt"] = entry.at
        when = event.run_at if isinstance(event, JobScheduled) else event.deadline
        due = instants.ms(when) if when else None
    else:
        due, state = _other(entry, event, facts)
    return Change(entry.id, entry.rev, facts, {"status": status, "state": state}, place=status, due=due)


def _ending(entry: Entry, event: Ended, facts: dict[str, str]) -> tuple[int | None, str]:
    """The end of an attempt, which may be the job's."""
    if isinstance(event, JobSucceeded):
        result = bytes(event.result)
        if result != b"null":  # as most have it that return nothing
            facts[f"v{event.attempt}"] = result.decode()
        return _forgetting(entry, event.keep), _unremarkable(entry.at)
    if isinstance(event, JobRetrying):
        state = _state(entry.at, run_at=event.run_at, error=event.error, failures=event.failures)
        return instants.ms(event.run_at), state
    assert isinstance(event, (JobFailed, JobStopped))
    return _forgetting(entry, event.keep), _state(entry.at, error=_error(event))


def _other(entry: Entry, event: Event, facts: dict[str, str]) -> tuple[int | None, str]:
    at = entry.at
    match event:
        case JobTakenOver():
            facts[f"a{event.attempt}"] = f"{at} {entry.by} {_LOST}"
        case JobReleased():
            facts[f"z{event.attempt}"] = _plain_end(at, "released")
            return None, _state(at, failures=event.failures)
        case JobRescheduled():
            facts[f"r{entry.rev}"] = event.run_at
            return instants.ms(event.run_at), _state(at, run_at=event.run_at)
        case JobQueued():
            due = instants.ms(event.deadline) if event.deadline else None
            return due, _state(at, failures=event.failures)
        case JobProgressed():
            return None, _state(at, progress=event.progress, note=event.note)
        case JobCanceled():
            facts[f"c{entry.rev}"] = at
            return _forgetting(entry, event.keep), _unremarkable(at)
        case JobMissed():
            return _forgetting(entry, event.keep), _state(at, error=event.error)
    return None, _unremarkable(at)


def _forgetting(entry: Entry, keep: int) -> int | None:
    return instants.ms_of_stamp(entry.at) + keep * 1000 if keep else None


def _state(at: str, **rest: Any) -> str:
    return _encode(JobState(at, **rest)).decode()


@lru_cache(maxsize=256)  # a batch has many of one millisecond
def _unremarkable(at: str) -> str:
    """The state that says nothing but since when. Raises ValueError."""
    return _state(instants.check(at))


def _end_of(at: str, event: Ended) -> str:
    outcome, error = _OUTCOMES[type(event)], _error(event)
    if not (error or event.image_digest or event.limits or event.exit_code is not None or event.oom_killed):
        return _plain_end(at, outcome)
    end = AttemptEnd(at, outcome, error, event.exit_code, event.oom_killed, event.image_digest, event.limits)
    return _encode(end).decode()


@lru_cache(maxsize=256)
def _plain_end(at: str, outcome: str) -> str:
    """The end of an attempt of which nothing else is known."""
    return _encode(AttemptEnd(at, outcome)).decode()


def _error(event: Ended) -> str:
    return event.error if isinstance(event, (JobFailed, JobRetrying)) else ""


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
