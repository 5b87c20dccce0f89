"""Health, readiness and metrics."""

import asyncio

import msgspec
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from api.services import Services
from duestream import __version__, keys
from duestream.errors import Unavailable
from duestream.group import PROJECTOR
from duestream.jobs import CONTAINERS
from duestream.lag import lags
from duestream.lifecycle import living
from duestream.stats import notice_stats

LATEST = 10.0  # seconds that projection may be behind before this process says that it is not ready
PATIENCE = 2.0  # seconds


class Health(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str
    version: str


class Readiness(msgspec.Struct, frozen=True):
    """Whether Redis can be reached, how far projection is behind, and which processes live.

    engines: runners that cannot run containers now, and why.
    """

    status: str
    redis: str
    projection_lag_seconds: float | None
    processes: dict[str, int]
    engines: dict[str, str]


class HealthRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def health(self, request: Request) -> Response:
        """GET /v1/health: the word Healthy, or JSON where the client asks for that."""
        if "application/json" in request.headers.get("accept", "").lower():
            return _json(Health("healthy", __version__), 200)
        return Response("Healthy", 200, media_type="text/plain")

    async def live(self, _: Request) -> Response:
        """GET /livez: this process answers."""
        return _json(Health("live", __version__), 200)

    async def ready(self, _: Request) -> Response:
        """GET /readyz: Redis answers, and projection is not far behind."""
        services = self._services
        try:
            async with asyncio.timeout(PATIENCE):
                behind = [lag.seconds for lag in await lags(services.server, services.shards) if lag.group == PROJECTOR]
                names = await living(services.server)
                away: dict[str, str] = await services.server.call("HGETALL", keys.engines())
        except (Unavailable, TimeoutError):
            return _json(Readiness("not ready", "away", None, {}, {}), 503)
        engines = {name: away[name] for name in names if name in away}
        roles = [name.partition("@")[0] for name in names]
        processes = {role: roles.count(role) for role in sorted(set(roles))}
        seconds = max(behind, default=0.0)
        if seconds > LATEST:
            return _json(Readiness("not ready", "ok", seconds, processes, engines), 503)
        return _json(Readiness("ready", "ok", seconds, processes, engines), 200)

    async def metrics(self, _: Request) -> Response:
        """GET /metrics: for Prometheus."""
        services = self._services
        try:
            async with asyncio.timeout(PATIENCE):
                behind = await lags(services.server, services.shards)
                notices = await notice_stats(services.server, services.shards)
                jobs = await services.jobs.counts()
                ready = await self._ready()
        except TimeoutError:
            raise Unavailable("Redis did not answer in time") from None
        tallies = [services.task_journal.tally, services.job_journal.tally, services.desk.tally]
        page = services.metrics.page(tallies, behind, notices, jobs, ready)
        return Response(page, headers={"content-type": CONTENT_TYPE_LATEST})

    async def _ready(self) -> dict[str, int]:
        """How many jobs wait or run in each of the queues that this process knows of."""
        services = self._services
        names = [name for queue in services.settings.queue_names for name in (queue, f"{queue}{CONTAINERS}")]
        calls = (services.server.call("XLEN", each.ready(name)) for name in names for each in services.shards)
        lengths = [int(length) for length in await asyncio.gather(*calls)]
        count = len(services.shards)
        return {name: sum(lengths[n * count : (n + 1) * count]) for n, name in enumerate(names)}


def _json(value: object, status: int) -> Response:
    headers = {"retry-after": "1"} if status == 503 else {}
    return Response(msgspec.json.encode(value), status, {"cache-control": "no-store", **headers}, "application/json")
