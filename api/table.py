"""Everything that this API answers: the table from which routes and documentation are made."""

from api.addresses import Visitors
from api.bans import BanRoutes
from api.entries import JournalEvent
from api.events import TYPES, EventRoutes
from api.health import Health, HealthRoutes, Readiness
from api.job_cancels import Cancels
from api.job_logs import LogRoutes
from api.job_submissions import Submissions
from api.job_table import jobs, timed_jobs
from api.jobs import JobRoutes
from api.parameters import BODY_PROBLEMS, CURSOR, IF_MATCH, IF_NONE_MATCH, ONCE, READ_CONSISTENCY, TEXT, WHEN
from api.pictures import Pictures
from api.queue_table import bans, queues, seed_turns
from api.queues import QueueRoutes
from api.resources import Answer, Operation, Parameter, Resource
from api.seed_jobs import SeedJobRoutes
from api.seed_turns import SeedTurnRoutes
from api.services import Services
from api.task_lists import MOST_SKIPPED, PAGE
from api.task_types import MOST, TaskHistory, TaskList, TasksDeleted, TaskUpdates, TaskView
from api.tasks import EDIT, EDITS, NEW, TaskRoutes


def table(services: Services) -> list[Resource]:
    """The resources, with handlers that use these services."""
    submissions = Submissions(services.job_journal)
    cancels = Cancels(services.job_journal, services.jobs, keep=services.settings.keep)
    visitors = Visitors(services.settings.proxies)
    turns = QueueRoutes(services, visitors, Pictures(services.settings))
    return [
        *_tasks(TaskRoutes(services)),
        *queues(turns),
        *jobs(JobRoutes(services, submissions, cancels), LogRoutes(services)),
        *timed_jobs(SeedJobRoutes(services, submissions, cancels)),
        *bans(BanRoutes(services)),
        *seed_turns(SeedTurnRoutes(services, visitors, turns)),
        *_events(EventRoutes(services)),
        *_health(HealthRoutes(services)),
    ]


def _tasks(tasks: TaskRoutes) -> list[Resource]:
    tag = "tasks"
    same = Answer("still the same", headers={"ETag": "its revision"})
    one = {200: Answer("the task", (TaskView,), headers={"ETag": "its revision"})}
    change = Operation(tasks.update, tag, one, (*BODY_PROBLEMS, 404, 409, 412), EDIT, (IF_MATCH,))
    filters = (
        Parameter("limit", {"type": "integer", "minimum": 1, "maximum": MOST}, f"{PAGE:,} by default"),
        Parameter(
            "offset",
            {"type": "integer", "minimum": 0, "maximum": MOST_SKIPPED},
            "leaves out so many; not with a cursor",
        ),
        Parameter("cursor", CURSOR, "goes on where a page ended: the Link header has it"),
        Parameter("expires_before", WHEN, "tasks that never expire are left out"),
        Parameter("expires_after", WHEN, "tasks that never expire are left out"),
        Parameter("title", TEXT, "the beginning of the title"),
        READ_CONSISTENCY,
    )
    created = Answer("created; many tasks are answered as a TaskList", (TaskView, TaskList), headers={
        "Location": "where the task is", "ETag": "its revision",
        "Idempotent-Replayed": "true, where this answers a repeated request",
    })  # fmt: skip
    return [
        Resource(
            "/v1/tasks",
            {
                "GET": Operation(
                    tasks.list, tag, {200: Answer("a page", (TaskList,), headers={"Link": "the next page"})}, (422,),
                    parameters=filters,
                ),
                "POST": Operation(tasks.create, tag, {201: created}, (*BODY_PROBLEMS, 409), NEW, (ONCE,)),
                "PUT": Operation(
                    tasks.update_many, tag, {200: Answer("the tasks as they are now", (TaskUpdates,))},
                    (*BODY_PROBLEMS, 409), EDITS,
                ),
                "DELETE": Operation(tasks.clear, tag, {200: Answer("all are deleted", (TasksDeleted,))}, (422,)),
            },
        ),
        Resource(
            "/v1/tasks/{id}",
            {
                "GET": Operation(
                    tasks.read, tag, {**one, 304: same}, (404, 422),
                    parameters=(IF_NONE_MATCH, READ_CONSISTENCY),
                ),
                "PUT": change,
                "PATCH": change,
                "DELETE": Operation(
                    tasks.delete, tag, {204: Answer("deleted")}, (404, 409, 412, 422), parameters=(IF_MATCH,)
                ),
            },
        ),
        Resource(
            "/v1/tasks/{id}/events",
            {"GET": Operation(tasks.history, tag, {200: Answer("its events", (TaskHistory,))}, (404, 422))},
        ),
    ]  # fmt: skip


def _events(events: EventRoutes) -> list[Resource]:
    parameters = (
        Parameter("types", TEXT, f"only these, separated by commas: {', '.join(TYPES)}"),
        Parameter("since", TEXT, "goes on after the event with this id, as Last-Event-ID does; 0 is the beginning"),
        Parameter("Last-Event-ID", TEXT, "goes on after the event with this id", "header"),
    )
    stream = Answer(
        "server-sent events as they come: `id` to resume by, `event` is the type, `data` a JournalEvent; a client that"
        " does not keep up is sent the event `reset` and let go",
        media_type="text/event-stream",
        shown=(JournalEvent,),
    )
    return [
        Resource("/v1/events", {"GET": Operation(events.events, "events", {200: stream}, (422,), None, parameters)})
    ]


def _health(health: HealthRoutes) -> list[Resource]:
    tag = "health"
    readiness = {200: Answer("ready", (Readiness,)), 503: Answer("not ready", (Readiness,))}
    return [
        Resource(
            "/v1/health",
            {"GET": Operation(health.health, tag, {200: Answer("healthy", (Health,), "text/plain")})},
        ),
        Resource("/livez", {"GET": Operation(health.live, tag, {200: Answer("live", (Health,))})}),
        Resource("/readyz", {"GET": Operation(health.ready, tag, readiness)}),
        Resource(
            "/metrics", {"GET": Operation(health.metrics, tag, {200: Answer("metrics", media_type="text/plain")})}
        ),
    ]
