"""The service inside a test: its processes as tasks of the test's loop, with a real HTTP port."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import msgspec

import api.main
import projector.main
import runner.main
import scheduler.main
from duestream.server import Server, connect
from duestream.settings import Settings
from tests.stores import Store, free_port

MAINS: dict[str, Callable[[Settings, asyncio.Event], Awaitable[None]]] = {
    "api": api.main.run,
    "projector": projector.main.run,
    "scheduler": scheduler.main.run,
    "runner": runner.main.run,
}
DEADLINE = 15.0


class Service:
    """Some processes on one store, and clients of it. `http` talks to the first API process."""

    def __init__(self, settings: Settings, server: Server, http: httpx.AsyncClient) -> None:
        self.settings = settings
        self.server = server
        self.http = http


@contextlib.asynccontextmanager
async def running(store: Store, *roles: str, **changes: Any) -> AsyncIterator[Service]:
    """Run processes of these roles (all, if none is named) with these settings changed, until the block ends."""
    port = free_port()
    settings = msgspec.structs.replace(
        Settings(redis_url=store.url, shards=store.shards, port=port, drain="2s"), **changes
    )
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group, connect(store.url) as server:
        for role in roles or MAINS:
            group.create_task(_main(role, settings, stop))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE) as http:
            try:
                if not roles or "api" in roles:
                    await until(lambda: _answers(http), "the API answers")
                yield Service(settings, server, http)
            finally:
                stop.set()


async def _main(role: str, settings: Settings, stop: asyncio.Event) -> None:
    await MAINS[role](settings, stop)


async def _answers(http: httpx.AsyncClient) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return (await http.get("/livez")).status_code == 200
    return False


async def until(condition: Callable[[], Awaitable[object]], what: str, seconds: float = DEADLINE) -> None:
    """Wait for a condition, with a deadline."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not await condition():
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        await asyncio.sleep(0.01)
