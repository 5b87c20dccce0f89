"""/v1/jobs: submit, read, reschedule, cancel and repeat jobs."""

import re
from datetime import datetime

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api.bodies import Body
from api.entries import event_view
from api.job_cancels import Cancels
from api.job_lists import CANCELABLE, next_page, statuses, wanted
from api.job_specs import Specs, Unfit
from api.job_submissions import Submissions, taken
from api.job_types import MOST, JobHistory, JobIds, JobList, JobsCanceled, JobTime, NewJob, view
from api.problems import RETRY_AFTER, Problem, invalid, not_found
from api.query import Query
from api.requests import Condition, etag, once, origin, unchanged
from api.responses import Encoded
from api.services import Services
from api.task_lists import CONSISTENCY
from duestream import instants
from duestream.errors import Refused
from duestream.events import Transition
from duestream.job_models import Job, JobState, work_of
from duestream.jobs import (
    CANCELED,
    CANCELING,
    QUEUED,
    SCHEDULED,
    JobRescheduled,
    JobResubmitted,
    JobScheduled,
    JobSubmitted,
    ready_queue,
)
from duestream.journal import Command

ATTEMPTS = 50  # of a read-modify-write; each that fails is another's that succeeded
NEW = Body(NewJob, most=MOST, example={"handler": "length", "payload": {"text": "hello", "seconds": 0.5}})
TIME = Body(JobTime, example={"delay": "2m"})
ID = re.compile(r"[0-9a-f]{32}")
NO_CACHE = "private, no-cache"
_encode = msgspec.json.Encoder().encode


class JobRoutes:
    """The handlers; they know the services of their process, and nothing of streams."""

    def __init__(self, services: Services, submissions: Submissions, cancels: Cancels) -> None:
        self._jobs = services.jobs
        self._journal = services.job_journal
        self._settings = services.settings
        self._specs = Specs(services.settings)
        self._submissions = submissions
        self._cancels = cancels

    async def submit(self, request: Request) -> Response:
        """POST /v1/jobs: take in one job or many, all or none; they run when their time has come."""
        body = await NEW.read(request, self._settings.body_limit)
        if isinstance(body, list):
            return await self._submit_many(request, body)
        source = origin(request)
        try:
            event = self._specs.event(body, source.at)
        except Unfit as unfit:
            raise unfit.problem() from None
        found = await self._submissions.submit(source, [event], once(request, body))
        if found.at != source.at:  # a replay: times are as they were counted then
            event = self._specs.event(body, found.at)
        headers = {"location": f"/v1/jobs/{found.ids[0]}", "etag": etag(1), **_replayed(found.replayed)}
        return _json(view(_new(found.ids[0], event, found.at)), 202, headers)

    async def _submit_many(self, request: Request, news: list[NewJob]) -> Response:
        source = origin(request)
        make, at = self._specs.event, source.at
        events = []
        try:
            for new in news:
                if new.unique is not None:
                    raise Unfit("unique", "expected only in a job that is submitted by itself")
                events.append(make(new, at))
        except Unfit as unfit:
            raise unfit.problem(f"[{len(events)}].") from None
        found = await self._submissions.submit(source, events, once(request, news))
        return _json(JobIds(found.ids), 202, _replayed(found.replayed))

    async def list(self, request: Request) -> Response:
        """GET /v1/jobs: a page of the jobs, the newest first unless asked otherwise."""
        asked = wanted(Query(request), self._settings.zone)
        if asked.fresh:
            await self._jobs.applied()
        found = await self._jobs.page(
            limit=asked.limit + 1,
            statuses=asked.statuses,
            after=asked.after,
            newest_first=asked.newest_first,
            matches=asked.matches,
        )
        page = found[: asked.limit]
        headers = {"cache-control": NO_CACHE}
        if len(found) > asked.limit:
            headers["link"] = next_page(request, page[-1].id)
        return _json(JobList([view(job) for job in page]), 200, headers)

    async def read(self, request: Request) -> Response:
        """GET /v1/jobs/{id}: one job, with everything that is known of it."""
        fresh = True
        if request.scope["query_string"]:
            fresh = Query(request).choice("consistency", CONSISTENCY) == "strong"
        id = id_of(request)
        job = await self._jobs.get(id, fresh=fresh)
        if job is None:
            raise unknown(id)
        tag = etag(job.rev)
        headers = {"etag": tag, "cache-control": NO_CACHE}
        if unchanged(request, tag):
            return Response(status_code=304, headers=headers)
        return _json(view(job), 200, headers)

    async def reschedule(self, request: Request) -> Response:
        """PATCH /v1/jobs/{id}: have a scheduled job run at another time."""
        id = id_of(request)
        condition = Condition(request)
        body = await TIME.one(request, self._settings.body_limit)
        if body.run_at is None and body.delay is None:
            raise invalid("run_at", "expected either run_at or delay, got neither")
        source = origin(request)
        try:
            run_at = self._specs.run_at(body, source.at) or instants.exact(datetime.fromisoformat(source.at))
        except Unfit as unfit:
            raise unfit.problem() from None
        for _ in range(ATTEMPTS):
            job = await self._known(id, condition)
            if job.status != SCHEDULED:
                raise conflict(f"job {id} is {job.status}: only a scheduled one can be rescheduled")
            if job.spec.deadline and run_at > job.spec.deadline:
                field = "delay" if body.run_at is None else "run_at"
                raise invalid(field, f"is after its start_deadline, {instants.shown(job.spec.deadline)}")
            try:
                accepted = await self._journal.append(
                    Command(source, (Transition(JobRescheduled(run_at=run_at), id, job.rev),))
                )
            except Refused:
                continue
            state = JobState(update_dt=source.at, run_at=run_at)
            moved = msgspec.structs.replace(job, rev=accepted.revs[0], run_at=run_at, state=state)
            return _json(view(moved), 200, {"etag": etag(moved.rev)})
        raise contended(id)

    async def cancel(self, request: Request) -> Response:
        """DELETE /v1/jobs/{id}: cancel a job; a running container is stopped first."""
        id = id_of(request)
        condition = Condition(request)
        source = origin(request)
        for _ in range(ATTEMPTS):
            job = await self._known(id, condition)
            if job.over:
                raise conflict(f"job {id} is over: it is {job.status}")
            if job.status != CANCELING:
                try:
                    job = await self._cancels.cancel(source, job)
                except Refused:
                    continue
            return _json(view(job), 200 if job.status == CANCELED else 202, {"etag": etag(job.rev)})
        raise contended(id)

    async def cancel_many(self, request: Request) -> Response:
        """DELETE /v1/jobs: cancel all jobs in some statuses."""
        query = Query(request)
        asked = statuses(query, CANCELABLE)
        if not asked:
            raise invalid("status", f"expected some of {', '.join(CANCELABLE)}, separated by commas")
        if query.choice("consistency", CONSISTENCY) == "strong":
            await self._jobs.applied()
        return _json(JobsCanceled(await self._cancels.cancel_all(origin(request), asked)), 200, {})

    async def retry(self, request: Request) -> Response:
        """POST /v1/jobs/{id}/retry: run a job that is over once more."""
        id = id_of(request)
        condition = Condition(request)
        source = origin(request)
        for _ in range(ATTEMPTS):
            job = await self._known(id, condition)
            spec = job.spec
            if not job.over:
                raise conflict(f"job {id} is {job.status}: only one that is over can be run again")
            if spec.deadline and not job.attempts and instants.ms(spec.deadline) < instants.ms(source.at):
                raise conflict(f"job {id} was not to be started after {instants.shown(spec.deadline)}")
            transition = Transition(
                JobResubmitted(), id, job.rev, unique=spec.unique, queue=ready_queue(spec), work=work_of(job)
            )
            try:
                accepted = await self._journal.append(Command(source, (transition,)))
            except Refused as refusal:
                if refusal.holder:
                    raise taken(spec.unique, refusal.holder) from None
                continue
            again = msgspec.structs.replace(
                job, rev=accepted.revs[0], status=QUEUED, state=JobState(update_dt=source.at), result=None
            )
            return _json(view(again), 202, {"location": f"/v1/jobs/{id}", "etag": etag(again.rev)})
        raise contended(id)

    async def history(self, request: Request) -> Response:
        """GET /v1/jobs/{id}/events: what happened to a job, when, by whom."""
        id = id_of(request)
        entries = await self._jobs.history(id)
        if not entries:
            raise unknown(id)
        return _json(JobHistory([event_view(entry) for entry in entries]), 200, {"cache-control": NO_CACHE})

    async def _known(self, id: str, condition: Condition) -> Job:
        job = await self._jobs.get(id)
        if job is None:
            raise unknown(id)
        condition.check(job.rev)
        return job


def id_of(request: Request) -> str:
    """The job's id in the path. Raises Problem."""
    id: str = request.path_params["id"]
    if not ID.fullmatch(id):
        raise not_found(f"there is no job {id!r}: ids are 32 hex digits")
    return id


def unknown(id: str) -> Problem:
    return not_found(f"there is no job {id}")


def conflict(detail: str) -> Problem:
    return Problem(409, "conflict", detail)


def contended(id: str) -> Problem:
    return Problem(409, "conflict", f"job {id} is being changed too often", headers=RETRY_AFTER)


def _new(id: str, event: JobSubmitted | JobScheduled, at: str) -> Job:
    run_at = event.run_at if isinstance(event, JobScheduled) else ""
    status = SCHEDULED if run_at else QUEUED
    return Job(id, 1, status, event, at, run_at, JobState(update_dt=at, run_at=run_at), None, [])


def _replayed(replayed: bool) -> dict[str, str]:
    return {"idempotent-replayed": "true"} if replayed else {}


def _json(value: object, status: int, headers: dict[str, str]) -> Response:
    return Encoded(_encode(value), status, headers)
