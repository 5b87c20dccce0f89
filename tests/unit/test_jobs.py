"""The domain of jobs: the table of their transitions, and what a fold of their events makes of them."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duestream import jobs
from duestream.changes import Change, fold, model_of
from duestream.containers import ContainerSpec
from duestream.events import Entry, Event, Unreadable, data_of
from duestream.job_models import Job, job_of, project, work_of
from duestream.jobs import CANCELING, ENDS, EVENTS, LIVE, OVER, STATUSES, STEPS, JobSpec, Work, ready_queue, submitted

ID = "01a2041dec2974a6846e6a6d48ce28f7"
AT = "2026-11-22T12:00:{:02}.000Z"
RUN_AT = "2026-11-23T12:00:00.000000Z"
SPEC = JobSpec(handler="length", payload=msgspec.Raw(b'{"text":"x"}'), retries=2, unique="k", deadline=RUN_AT)
CONTAINER = JobSpec(container=ContainerSpec(image="busybox", command=["true"], env={"A": "b"}))
ABOUT: dict[str, Any] = {"exit_code": 3, "oom_killed": True, "image_digest": "sha256:0", "limits": {"memory": 5}}


def an_event(kind: type[Event], attempt: int) -> Event:
    """One of a kind, by the runner of an attempt or, where it begins one, of the next."""
    if kind in (jobs.JobScheduled, jobs.JobSubmitted):
        return submitted(SPEC, RUN_AT if kind is jobs.JobScheduled else "")
    given: dict[str, Any] = {"attempt": attempt + STEPS[kind].begins, "error": "it failed", "run_at": RUN_AT}
    given |= {"failures": 1, "progress": 0.5, "result": msgspec.Raw(b'{"a":[1]}'), "keep": 60, "deadline": RUN_AT}
    return kind(**{name: value for name, value in given.items() if name in kind.__struct_fields__})


def history(kinds: list[type[Event]]) -> list[Entry]:
    """The journal of one job with these events, whether the table allows them or not."""
    return entries([an_event(kind, sum(STEPS[each].begins for each in kinds[:n])) for n, kind in enumerate(kinds)])


def entries(events: list[Event], *, by: str = "runner@host:1:a") -> list[Entry]:
    return [
        Entry(f"{n}-0", type(event).type, ID, n, AT.format(n % 60), by, data_of(event).decode())
        for n, event in enumerate(events, 1)
    ]


def folded(journal: list[Entry]) -> dict[str, str]:
    return model_of(fold(map(project, journal))[ID])


def job_with(*events: Event) -> Job:
    job = job_of(ID, folded(entries([submitted(SPEC, ""), *events])))
    assert job is not None
    return job


@st.composite
def lives(draw: st.DrawFn) -> list[type[Event]]:
    """The events of a life that the table allows."""
    status, kinds = "", []
    for _ in range(draw(st.integers(1, 25))):
        allowed = [kind for kind, step in STEPS.items() if status in (step.start.split() or [""])]
        kind = draw(st.sampled_from(allowed))
        kinds.append(kind)
        status = STEPS[kind].to
        if not status:
            break
    return kinds


@given(life=lives(), data=st.data())
def test_any_order_and_repetition_of_a_jobs_events_folds_to_one_model(
    life: list[type[Event]], data: st.DataObject
) -> None:
    journal = history(life)
    again = data.draw(st.lists(st.sampled_from(journal), max_size=10))

    shuffled = data.draw(st.permutations([*journal, *again]))

    assert folded(shuffled) == folded(journal)


@given(life=lives(), data=st.data())
def test_folding_parts_by_different_projectors_comes_to_the_same(life: list[type[Event]], data: st.DataObject) -> None:
    changes = [project(entry) for entry in history(life)]
    cut = data.draw(st.integers(0, len(changes)))
    parts: list[Change] = [*fold(changes[cut:]).values(), *fold(changes[:cut]).values()]

    assert fold(parts) == fold(changes)


@given(life=lives())
def test_a_run_has_at_most_one_terminal_event_and_nothing_is_after_it_but_another_run(life: list[type[Event]]) -> None:
    terminal = [n for n, kind in enumerate(life) if STEPS[kind].to in OVER]

    for n in terminal:
        assert life[n] in ENDS
        assert life[n + 1 : n + 2] in ([], [jobs.JobResubmitted], [jobs.JobForgotten])


@given(life=lives())
def test_a_whole_life_can_be_read_at_every_step(life: list[type[Event]]) -> None:
    journal = history(life)

    for n, kind in enumerate(life, 1):
        job = job_of(ID, folded(journal[:n]))
        if kind is jobs.JobForgotten:
            assert job is None
            continue
        assert job is not None
        assert (job.rev, job.status) == (n, STEPS[kind].to)
        assert len(job.attempts) == sum(STEPS[each].begins for each in life[:n])
        running = job.status in (jobs.RUNNING, CANCELING)
        assert [not attempt.outcome for attempt in job.attempts[:-1]] == [False] * (len(job.attempts) - 1)
        assert not job.attempts or (job.attempts[-1].outcome == "") == running
        assert (job.result is not None) == (job.status == jobs.SUCCEEDED)


def test_every_status_can_be_left_and_only_the_end_has_no_way_back() -> None:
    for status in STATUSES:
        assert any(status in step.start.split() for step in STEPS.values())
    for kind, step in STEPS.items():
        if set(step.start.split()) & set(OVER):
            assert kind in (jobs.JobResubmitted, jobs.JobForgotten)
        if step.to in OVER:
            assert set(step.start.split()) <= set(LIVE)
            assert step.done or step.start in (jobs.SCHEDULED, jobs.RETRYING)


@pytest.mark.parametrize("kind", STEPS)
def test_an_event_is_read_as_it_was_written(kind: type[Event]) -> None:
    event = an_event(kind, 1)

    [entry] = entries([event])

    assert EVENTS.decode(entry) == event


def test_a_specification_is_read_as_it_was_written() -> None:
    for spec in (SPEC, CONTAINER, JobSpec()):
        event = submitted(spec, RUN_AT)
        job = job_of(ID, folded(entries([event])))
        assert job is not None
        assert (job.spec, job.run_at, job.status) == (spec, RUN_AT, "scheduled")
        assert msgspec.json.decode(data_of(event), type=Work) == msgspec.convert(
            msgspec.structs.asdict(spec) | {"payload": spec.payload}, Work
        )


@pytest.mark.parametrize("data", ["", "{", "[]", '{"attempt": "x"}', '{"attempt": 1, "run_at": "soon", "error": "e"}'])
def test_what_is_no_event_is_unreadable(data: str) -> None:
    with pytest.raises(Unreadable):
        project(Entry("1-0", "job.retrying", ID, 2, AT.format(1), "r", data))
    with pytest.raises(Unreadable):
        project(Entry("1-0", "job.unheard", ID, 2, AT.format(1), "r", "{}"))


def test_containers_wait_apart_from_handlers() -> None:
    assert ready_queue(SPEC) == "default"
    assert ready_queue(msgspec.structs.replace(CONTAINER, queue="slow")) == "slow:containers"


def test_a_job_tells_of_each_attempt_how_it_ended() -> None:
    job = job_with(
        jobs.JobStarted(1),
        jobs.JobTakenOver(2),
        jobs.JobReleased(2),
        jobs.JobStarted(3),
        jobs.JobRetrying(3, **ABOUT, error="exit code 3", run_at=RUN_AT, failures=1),
        jobs.JobQueued(failures=1),
        jobs.JobStarted(4),
        jobs.JobCanceled(),
        jobs.JobResubmitted(),
        jobs.JobStarted(5),
        jobs.JobCanceling(),
        jobs.JobStopped(5, **ABOUT),
    )

    outcomes = [(each.number, each.outcome, each.start_dt[-7:-5], each.end_dt[-7:-5]) for each in job.attempts]
    assert outcomes == [
        (1, "lost", "02", "03"),
        (2, "released", "03", "04"),
        (3, "failed", "05", "06"),
        (4, "canceled", "08", "09"),
        (5, "canceled", "11", "13"),
    ]
    assert job.attempts[2].error == "exit code 3"
    for each in (job.attempts[2], job.attempts[4]):
        assert (each.exit_code, each.oom_killed, each.image_digest, each.limits) == (3, True, "sha256:0", {"memory": 5})
    assert {each.runner for each in job.attempts} == {"runner@host:1:a"}


def test_a_job_that_lost_its_runners_keeps_the_reason() -> None:
    job = job_with(jobs.JobStarted(1), jobs.JobTakenOver(2), jobs.JobFailed(2, error="lost its runner 2 times"))

    assert [each.outcome for each in job.attempts] == ["lost", "failed"]
    assert job.state.error == "lost its runner 2 times"


def test_the_time_asked_for_is_that_of_the_newest_reschedule() -> None:
    other = "2026-12-24T12:00:00.000000Z"
    journal = entries([submitted(SPEC, RUN_AT), jobs.JobRescheduled(RUN_AT), jobs.JobRescheduled(other)])

    for order in (journal, journal[::-1]):
        job = job_of(ID, folded(order))
        assert job is not None
        assert job.run_at == other


def test_a_job_that_runs_again_has_the_result_of_its_last_run_only() -> None:
    first = jobs.JobSucceeded(1, result=msgspec.Raw(b"5"))

    done = job_with(jobs.JobStarted(1), first)
    again = job_with(jobs.JobStarted(1), first, jobs.JobResubmitted(), jobs.JobStarted(2))
    failed = job_with(
        jobs.JobStarted(1), first, jobs.JobResubmitted(), jobs.JobStarted(2), jobs.JobFailed(2, error="no")
    )

    assert done.result == msgspec.Raw(b"5")
    assert (again.result, failed.result) == (None, None)
    assert [each.outcome for each in failed.attempts] == ["succeeded", "failed"]


def test_what_is_queued_again_keeps_its_failures_and_a_run_anew_has_none_and_no_deadline() -> None:
    retrying = job_with(jobs.JobStarted(1), jobs.JobRetrying(1, error="e", run_at=RUN_AT, failures=2))
    over = job_with(jobs.JobMissed(error="too late"))

    kept = msgspec.json.decode(work_of(retrying), type=Work)
    anew = msgspec.json.decode(work_of(over), type=Work)

    assert (kept.failures, kept.deadline, kept.payload) == (2, RUN_AT, SPEC.payload)
    assert (anew.failures, anew.deadline, anew.payload) == (0, "", SPEC.payload)


def due(*events: Event) -> int | None:
    return project(entries(list(events))[-1]).due


def test_what_is_due_follows_from_the_last_event() -> None:
    run_at = 1_795_435_200_000
    no_deadline = msgspec.structs.replace(SPEC, deadline="")

    assert due(submitted(no_deadline, RUN_AT)) == due(submitted(SPEC, "")) == due(jobs.JobQueued(RUN_AT)) == run_at
    assert due(jobs.JobRescheduled(RUN_AT)) == run_at
    assert due(jobs.JobRetrying(1, error="e", run_at=RUN_AT, failures=1)) == run_at
    assert due(submitted(no_deadline, "")) is due(jobs.JobQueued()) is due(jobs.JobStarted(1)) is None
    ended = 1_795_348_801_000
    for kind in ENDS:
        assert due(an_event(kind, 1)) == ended + 60_000
    assert due(jobs.JobSucceeded(1)) is None


@pytest.mark.parametrize("missing", ["rev", "status", "state", "spec", "create_dt"])
def test_a_model_that_is_not_whole_is_no_job(missing: str) -> None:
    model = folded(entries([submitted(SPEC, "")]))
    assert job_of(ID, model) is not None

    assert job_of(ID, {name: value for name, value in model.items() if name != missing}) is None
    assert job_of(ID, {**model, missing: "{"}) is None or missing in ("status", "create_dt")
    assert job_of(ID, {}) is None
