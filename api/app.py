"""The ASGI application of one API process."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from api.access import Access, Requests
from api.docs import docs
from api.hub import Hub
from api.metrics import Metrics
from api.origins import Origins
from api.page import is_visit, page
from api.problems import Problem, on_crash, on_error, on_http_exception, on_problem
from api.refusals import on_refused
from api.resources import Resources
from api.services import Services
from api.table import table
from duestream import jobs
from duestream.errors import DuestreamError
from duestream.job_reading import Jobs
from duestream.journal import Journal
from duestream.keys import Keys
from duestream.reading import Tasks
from duestream.server import Server
from duestream.settings import Settings
from duestream.tasks import STEPS
from duestream.turn_reading import Turns
from duestream.turns import Desk, TurnRefused


def services_of(settings: Settings, server: Server, name: str) -> Services:
    """What a process of this name serves with."""
    return Services(
        settings=settings,
        server=server,
        task_journal=Journal(server, "tasks", STEPS, shards=settings.shards, process=name),
        tasks=Tasks(server, shards=settings.shards),
        job_journal=Journal(server, "jobs", jobs.STEPS, shards=settings.shards, process=name, over=jobs.OVER),
        jobs=Jobs(server, shards=settings.shards),
        desk=Desk(server, process=name, ban=settings.ban, takes_per_minute=settings.takes_per_minute),
        turns=Turns(server),
        hub=Hub(server, map(Keys, range(settings.shards))),
        metrics=Metrics(),
    )


def build(services: Services) -> Starlette:
    """The application."""
    resources = table(services)
    settings = services.settings
    guards = [Middleware(Access, keyring=settings.keyring, public_queues=settings.public_queues)]
    if not settings.keyring:
        guards.append(Middleware(Origins, settings=settings))
    answers = {
        Problem: on_problem,
        TurnRefused: on_refused,
        DuestreamError: on_error,
        HTTPException: on_http_exception,
        Exception: on_crash(debug=settings.debug),
    }
    app = Starlette(
        routes=[*page(), *docs(resources)],
        middleware=[
            Middleware(Requests, metrics=services.metrics),
            *guards,
            Middleware(Resources, resources=resources, answers=answers, leave=is_visit),
        ],
        exception_handlers=answers,
    )
    app.router.redirect_slashes = False  # there is one path to each thing
    return app
