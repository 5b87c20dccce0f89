"""`duestream health`: whether a process of this host has shown a sign of life lately, as a container's engine asks."""

import socket

from duestream.lifecycle import living
from duestream.server import Server, connect
from duestream.settings import Settings

PATIENCE = 5.0  # seconds


async def alive(settings: Settings, role: str | None) -> list[str]:
    """The names of this host's living processes, of one role or of any. Raises Unavailable."""
    async with connect(settings.url, patience=PATIENCE) as server:
        return await of_host(server, role, socket.gethostname())


async def of_host(server: Server, role: str | None, host: str) -> list[str]:
    """The names of a host's living processes, of one role or of any. Raises Unavailable."""
    found: list[str] = []
    for name in await living(server):
        its_role, _, rest = name.partition("@")
        its_host = rest.rsplit(":", 2)[0]
        if its_host == host and role in (None, its_role):
            found.append(name)
    return found
