"""One API process."""

import asyncio
import contextlib
import logging
from collections.abc import Generator
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from api.app import build, services_of
from api.corking import Protocol
from duestream.lifecycle import AWAY_AT_START, BACKLOG, bind, process_name, serving
from duestream.settings import Settings, check_access
from duestream.turns import open_first_queue

log = logging.getLogger("duestream.api")

# seconds that a connection may be idle: longer than proxies let theirs be, mostly 60; where the server is the first to
# close one, a request that is just being sent on it is lost
KEEP_ALIVE = 75


class _Uvicorn(uvicorn.Server):
    """Leaves the signals to `lifecycle`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until the stop, then let the requests that are under way end."""
    check_access(settings)
    name = process_name("api")
    async with contextlib.AsyncExitStack() as stack:
        sockets = [stack.enter_context(each) for each in bind(settings.host, settings.port)]
        server = await stack.enter_async_context(serving(settings, name, stop))
        services = services_of(settings, server, name)
        await server.patiently(partial(open_first_queue, services.desk, "api"), AWAY_AT_START)
        uvicorn_server = _Uvicorn(configured(build(services), settings))
        serving_task = asyncio.create_task(uvicorn_server.serve(sockets))
        for each in sockets:
            each.listen(BACKLOG)
        log.info("listening", extra={"worker": name, "host": settings.host, "port": sockets[0].getsockname()[1]})
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((serving_task, stopping), return_when=asyncio.FIRST_COMPLETED)
        services.hub.close()
        uvicorn_server.should_exit = True
        await serving_task
        stopping.cancel()
        log.info("stopped", extra={"worker": name})


def configured(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """How uvicorn is to serve."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="none",
        http=Protocol,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, int(settings.drain_seconds)),
    )
