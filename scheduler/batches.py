"""Finish the large batches whose maker died half-way."""

import logging

from duestream.batches import finish
from duestream.keys import Keys
from duestream.server import Server
from scheduler.due import Taken

log = logging.getLogger("duestream.batches")


class Batches:
    """Handles what is due in `due:batches` of one shard; the last chunk of a batch removes its due entry."""

    def __init__(self, server: Server, keys: Keys, shards: int) -> None:
        self._server = server
        self._keys = keys
        self._shards = shards

    async def finish(self, taken: Taken) -> None:
        for batch in taken.due:
            await finish(self._server, self._keys, batch, self._shards)
            log.info("finished a batch that was left", extra={"batch": batch})
