"""End the turns whose time is up, and the bans.

What is due only says which queues to look at: the journal decides by its own clock, so two schedulers, or one that
comes late, end nothing twice and nothing early; whoever is called then has his full time from then on.
"""

import asyncio
import logging

from duestream import instants
from duestream.events import Origin
from duestream.keys import Keys
from duestream.queues import token_in
from duestream.server import Server
from duestream.turns import Desk, NoQueue
from scheduler.due import Taken, settle

log = logging.getLogger("duestream.turns")


class Turns:
    """Handles what is due in `due:tokens`."""

    def __init__(self, server: Server, keys: Keys, desk: Desk) -> None:
        self._server = server
        self._keys = keys
        self._desk = desk

    async def act(self, taken: Taken) -> None:
        """End what is past its time in the queues of some tokens, and some bans."""
        origin = Origin(at=instants.stamp_ms(taken.now), by="scheduler")
        ids = list(taken.due)
        queues = dict.fromkeys(token_in(id)[0] for id in ids if id[0] != "@")
        addresses = [id[1:].rpartition("/")[0] for id in ids if id[0] == "@"]
        await asyncio.gather(
            *(self._settle(queue, origin) for queue in queues),
            *(self._desk.unban(address, origin, if_due=True) for address in addresses),
        )
        heads = await self._server.call("HMGET", self._keys.heads("tokens"), *ids)
        over = [id for id, head in zip(ids, heads, strict=True) if head is None]
        await settle(self._server, self._keys.due_tokens(), taken, over)
        for id in over:
            log.debug("over", extra={"id": id})

    async def _settle(self, queue: str, origin: Origin) -> None:
        try:
            await self._desk.settle(queue, origin)
        except NoQueue:
            log.warning("due, but there is no such queue", extra={"queue": queue})
