"""What the API answers about jobs: its part of the table."""

from collections.abc import Mapping
from typing import Any

from api.job_lists import CANCELABLE, MOST_LISTED, ORDERS, PAGE
from api.job_logs import LARGEST_TAIL, STREAMS, LogEnd, LogEvent, LogRoutes
from api.job_types import ID, JobHistory, JobIds, JobList, JobsCanceled, JobView
from api.jobs import NEW, TIME, JobRoutes
from api.parameters import BODY_PROBLEMS, IF_MATCH, IF_NONE_MATCH, ONCE, READ_CONSISTENCY, TEXT, WHEN
from api.resources import Answer, Operation, Parameter, Resource
from api.seed_jobs import MOST_LISTED as MOST_TIMED
from api.seed_jobs import NEW as NEW_TIMED
from api.seed_jobs import PAGE as TIMED_PAGE
from api.seed_jobs import Message, SeedJobRoutes, TimedJob, TimedJobs
from duestream.jobs import STATUSES

CURSOR: Mapping[str, Any] = {"type": "string", "format": "job-cursor"}
REPLAYED = {"Idempotent-Replayed": "true, where this answers a repeated request"}


def _statuses(choices: tuple[str, ...]) -> Mapping[str, Any]:
    one = f"({'|'.join(choices)})"
    return {"type": "string", "pattern": f"^{one}(,{one})*$", "examples": [",".join(choices[:2])]}


def jobs(routes: JobRoutes, logs: LogRoutes) -> list[Resource]:
    """/v1/jobs."""
    tag = "jobs"
    revision = {"ETag": "its revision"}
    one = Answer("the job", (JobView,), headers=revision)
    taken = Answer("taken in; of many jobs the ids", (JobView, JobIds), headers={
        "Location": "where the job is", **revision, **REPLAYED,
    })  # fmt: skip
    change = Operation(routes.reschedule, tag, {200: one}, (*BODY_PROBLEMS, 404, 409, 412), TIME, (IF_MATCH,))
    filters = (
        Parameter("status", _statuses(STATUSES), "in one of these, separated by commas"),
        Parameter("queue", TEXT, "in this queue"),
        Parameter("image", TEXT, "the image as it was asked for"),
        Parameter("handler", TEXT, "for this handler"),
        Parameter("created_after", WHEN, "taken in later than at this time"),
        Parameter("created_before", WHEN, "taken in earlier than at this time"),
        Parameter("run_after", WHEN, "to be run later than at this time"),
        Parameter("run_before", WHEN, "to be run earlier than at this time"),
        Parameter("order", {"type": "string", "enum": list(ORDERS)}, f"{ORDERS[0]} first by default"),
        Parameter("limit", {"type": "integer", "minimum": 1, "maximum": MOST_LISTED}, f"{PAGE} by default"),
        Parameter("cursor", CURSOR, "goes on where a page ended: the Link header has it"),
        READ_CONSISTENCY,
    )
    return [
        Resource(
            "/v1/jobs",
            {
                "GET": Operation(
                    routes.list, tag, {200: Answer("a page", (JobList,), headers={"Link": "the next page"})}, (422,),
                    parameters=filters,
                ),
                "POST": Operation(routes.submit, tag, {202: taken}, (*BODY_PROBLEMS, 409), NEW, (ONCE,)),
                "DELETE": Operation(
                    routes.cancel_many, tag, {200: Answer("they are canceled", (JobsCanceled,))}, (422,),
                    parameters=(
                        Parameter("status", _statuses(CANCELABLE), "required: in one of these, separated by commas"),
                        READ_CONSISTENCY,
                    ),
                ),
            },
        ),
        _of_one(
            "/v1/jobs/{id}",
            {
                "GET": Operation(
                    routes.read, tag, {200: one, 304: Answer("still the same", headers=revision)}, (404, 422),
                    parameters=(IF_NONE_MATCH, READ_CONSISTENCY),
                ),
                "PATCH": change,
                "DELETE": Operation(
                    routes.cancel, tag,
                    {
                        200: Answer("canceled", (JobView,), headers=revision),
                        202: Answer("canceling: its container is being stopped", (JobView,), headers=revision),
                    },
                    (404, 409, 412, 422), parameters=(IF_MATCH,),
                ),
            },
        ),
        _of_one(
            "/v1/jobs/{id}/retry",
            {
                "POST": Operation(
                    routes.retry, tag,
                    {202: Answer("queued again", (JobView,), headers={"Location": "where the job is", **revision})},
                    (404, 409, 412, 422), parameters=(IF_MATCH,),
                )
            },
        ),
        _of_one(
            "/v1/jobs/{id}/events",
            {"GET": Operation(routes.history, tag, {200: Answer("its events", (JobHistory,))}, (404, 422))},
        ),
        _of_one("/v1/jobs/{id}/log", {"GET": _log(logs)}),
    ]  # fmt: skip


def _log(logs: LogRoutes) -> Operation:
    output = Answer(
        "the output so far; with Accept: text/event-stream it is followed until the job is over, by events `log` whose"
        " `data` is a LogEvent, and one `end` whose `data` is a LogEnd",
        media_type="text/plain",
        shown=(LogEvent, LogEnd),
    )
    parameters = (
        Parameter("attempt", {"type": "integer", "minimum": 1, "maximum": 10**9}, "only of this attempt"),
        Parameter("stream", {"type": "string", "enum": list(STREAMS)}, "only of this one"),
        Parameter(
            "tail",
            {"type": "integer", "minimum": 1, "maximum": LARGEST_TAIL},
            "the last lines; not with text/event-stream",
        ),
        Parameter("Last-Event-ID", TEXT, "follows on after the event with this id", "header"),
    )
    return Operation(logs.log, "jobs", {200: output}, (404, 422), None, parameters)


def timed_jobs(routes: SeedJobRoutes) -> list[Resource]:
    """The paths of the scheduler that this grew from; what is wrong is told in its words."""
    tag = "timed jobs"
    unknown = Answer("there is no such job", (Message,))
    jobs = Answer("to the jobs", headers={"Location": "/jobs"})
    return [
        Resource("/", {"GET": Operation(routes.start, tag, {302: jobs})}),
        Resource(
            "/jobs",
            {
                "GET": Operation(
                    routes.list, tag,
                    {200: Answer("the newest jobs", (TimedJobs,)), 400: Answer("not a number", (Message,))}, (422,),
                    parameters=(
                        Parameter(
                            "limit", {"type": "integer", "minimum": 1, "maximum": MOST_TIMED},
                            f"of each group; {TIMED_PAGE:,} by default",
                        ),
                    ),
                )
            },
        ),
        Resource(
            "/job",
            {
                "POST": Operation(
                    routes.create, tag,
                    {200: Answer("accepted", (Message,), headers=REPLAYED), 400: Answer("refused", (Message,))},
                    (409, 413, 415, 422), NEW_TIMED, (ONCE,),
                )
            },
        ),
        _of_one(
            "/job/{id}",
            {
                "GET": Operation(routes.read, tag, {200: Answer("the job", (TimedJob,)), 404: unknown}, (422,)),
                "DELETE": Operation(
                    routes.cancel, tag,
                    {200: Answer("de-scheduled", (Message,)), 404: Answer("not scheduled, or unknown", (Message,))},
                    (409, 422),
                ),
            },
        ),
    ]  # fmt: skip


def _of_one(path: str, methods: Mapping[str, Operation]) -> Resource:
    return Resource(path, methods, {"id": ID})
