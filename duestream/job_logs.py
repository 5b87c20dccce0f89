"""What jobs' containers put out: reading it, and waiting for more."""

import msgspec

from duestream.journal import PATIENCE
from duestream.keys import Keys, shard_of
from duestream.server import Server

STEP = 500  # pieces that are read at once


class Piece(msgspec.Struct, frozen=True):
    """Some output: mostly one line, with its end. entry: its id on the log; stamp: when, RFC 3339."""

    entry: str
    attempt: int
    stream: str
    stamp: str
    text: str


class JobLogs:
    """The logs of all shards."""

    def __init__(self, server: Server, *, shards: int) -> None:
        self._server = server
        self._shards = [Keys(shard) for shard in range(shards)]

    async def status(self, id: str) -> str:
        """The job's status as its head has it, "" where there is no such job. Raises Unavailable."""
        head = await self._server.call("HGET", self._home(id).heads("jobs"), id, patience=PATIENCE)
        return "" if head is None else str(head).split(" ")[1]

    async def read(self, id: str, *, after: str = "") -> list[Piece]:
        """The first pieces behind one, or of all; none where that is the end. Raises Unavailable."""
        start = f"({after}" if after else "-"
        found = await self._server.call("XRANGE", self._home(id).log(id), start, "+", "COUNT", STEP, patience=PATIENCE)
        return [_piece(entry, fields) for entry, fields in found]

    async def more(self, id: str, *, after: str, seconds: float) -> None:
        """Wait until something stands behind a piece, for so long at most. Raises Unavailable."""
        block = max(1, int(seconds * 1000))
        await self._server.call("XREAD", "COUNT", 1, "BLOCK", block, "STREAMS", self._home(id).log(id), after or "0-0")

    def _home(self, id: str) -> Keys:
        return self._shards[shard_of("jobs", id, len(self._shards))]


def _piece(entry: str, fields: list[str]) -> Piece:
    named = dict(zip(fields[::2], fields[1::2], strict=True))
    return Piece(entry, int(named["attempt"]), named["stream"], named["stamp"], named["text"])
