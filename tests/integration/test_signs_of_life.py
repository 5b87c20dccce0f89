"""Signs of life: what `duestream health` tells the engine that a container runs on."""

import asyncio
import socket

from duestream.health import alive, of_host
from duestream.lifecycle import process_name, serving
from duestream.settings import Settings
from tests.running import Service, until
from tests.stores import Store


async def test_each_process_of_this_host_shows_that_it_lives(service: Service) -> None:
    for role in ("api", "projector", "scheduler", "runner"):

        async def shown(role: str = role) -> list[str]:
            return await alive(service.settings, role)

        await until(shown, f"the {role} shows a sign of life")

    assert len(await alive(service.settings, None)) == 4


async def test_another_host_does_not_count(service: Service) -> None:
    async def here() -> list[str]:
        return await of_host(service.server, "projector", socket.gethostname())

    await until(here, "the projector shows a sign of life")

    assert await of_host(service.server, "projector", "another-host") == []


async def test_a_process_that_has_stopped_does_not_count(valkey: Store) -> None:
    settings = Settings(redis_url=valkey.url)

    async with serving(settings, process_name("projector"), asyncio.Event()):
        await until(lambda: alive(settings, "projector"), "it shows a sign of life")

    assert await alive(settings, "projector") == []
