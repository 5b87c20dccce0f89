"""Health, readiness and metrics."""

import asyncio

import msgspec
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from api.services import Services
from duestream import __version__
from duestream.errors import Unavailable
from duestream.group import PROJECTOR
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
    """Whether Redis can be reached, how far projection is behind, and which processes live."""

    status: str
    redis: str
    projection_lag_seconds: float | None
    processes: dict[str, int]


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
        except (Unavailable, TimeoutError):
            return _json(Readiness("not ready", "away", None, {}), 503)
        roles = [name.partition("@")[0] for name in names]
        processes = {role: roles.count(role) for role in sorted(set(roles))}
        seconds = max(behind, default=0.0)
        if seconds > LATEST:
            return _json(Readiness("not ready", "ok", seconds, processes), 503)
        return _json(Readiness("ready", "ok", seconds, processes), 200)

    async def metrics(self, _: Request) -> Response:
        """GET /metrics: for Prometheus."""
        services = self._services
        try:
            async with asyncio.timeout(PATIENCE):
                behind = await lags(services.server, services.shards)
                notices = await notice_stats(services.server, services.shards)
        except TimeoutError:
            raise Unavailable("Redis did not answer in time") from None
        page = services.metrics.page([services.task_journal.tally], behind, notices)
        return Response(page, headers={"content-type": CONTENT_TYPE_LATEST})


def _json(value: object, status: int) -> Response:
    headers = {"retry-after": "1"} if status == 503 else {}
    return Response(msgspec.json.encode(value), status, {"cache-control": "no-store", **headers}, "application/json")
