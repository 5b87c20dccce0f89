"""The journal as it grows, for any number of listeners of one API process: one reader per shard feeds them all."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable

import msgspec

from duestream.errors import Unavailable
from duestream.events import Entry, Unreadable, entry_of
from duestream.group import Raw
from duestream.keys import KINDS, Keys, Kind
from duestream.server import LONGEST_BLOCK, Server

log = logging.getLogger("duestream.hub")

BACKLOG = 1000  # entries that may wait for a listener before it is dropped
STEP = 500

Source = tuple[int, Kind]
Position = dict[Source, str]  # the last entry that was seen of each stream


class Told(msgspec.Struct, frozen=True):
    """An entry, and where in all streams a listener stands once he has it."""

    kind: Kind
    entry: Entry
    position: Position


class Dropped(Exception):
    """The listener was too slow."""


class Listener:
    """One who listens. What it has not taken yet waits in its queue; None ends it."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Told | None] = asyncio.Queue(BACKLOG)
        self.dropped = False

    def tell(self, told: Told | None) -> None:
        try:
            self.queue.put_nowait(told)
        except asyncio.QueueFull:
            self.dropped = True


class Hub:
    """Reads only while somebody listens."""

    def __init__(self, server: Server, shards: Iterable[Keys]) -> None:
        self._server = server
        self._shards = list(shards)
        self._position: Position = {}
        self._listeners: set[Listener] = set()
        self._joining = 0
        self._readers: list[asyncio.Task[None]] = []
        self._closed = False

    @property
    def sources(self) -> list[Source]:
        """The streams that are followed."""
        return [(keys.shard, kind) for keys in self._shards for kind in KINDS]

    async def follow(self, since: Position | None) -> AsyncGenerator[Told, None]:
        """Every entry after a position (None: from now on), each once, until `close`. Raises Dropped, Unavailable."""
        listener = Listener()
        self._joining += 1
        try:
            await self._start()
            position = dict(self._position if since is None else since)
            async for told in self._catch_up(position):
                yield told
            self._listeners.add(listener)  # nothing was awaited since the position was the hub's own
        finally:
            self._joining -= 1
        try:
            while not self._closed:
                told_or_end = await listener.queue.get()
                if listener.dropped:
                    raise Dropped
                if told_or_end is None:
                    return
                yield told_or_end
        finally:
            self._listeners.discard(listener)

    def close(self) -> None:
        """Let all listeners go."""
        self._closed = True
        for listener in self._listeners:
            listener.tell(None)
        for reader in self._readers:
            reader.cancel()

    async def _catch_up(self, position: Position) -> AsyncGenerator[Told, None]:
        """Bring a position up to the hub's, telling what lies between."""
        behind = True
        while behind:
            behind = False
            for keys in self._shards:
                for kind in KINDS:
                    source = (keys.shard, kind)
                    while _before(position[source], self._position[source]):
                        behind = True
                        batch: list[Raw] = await self._server.call(
                            "XRANGE",
                            keys.journal(kind),
                            f"({position[source]}",
                            self._position[source],
                            "COUNT",
                            STEP,
                        )
                        if not batch:  # the data was removed under us
                            position[source] = self._position[source]
                        for raw in batch:
                            position[source] = raw[0]
                            if told := _told(kind, raw, position):
                                yield told

    async def _start(self) -> None:
        if any(not reader.done() for reader in self._readers):
            return
        position: Position = {}
        for keys in self._shards:
            for kind in KINDS:
                last = await self._server.call("XREVRANGE", keys.journal(kind), "+", "-", "COUNT", 1)
                position[keys.shard, kind] = last[0][0] if last else "0-0"
        if any(not reader.done() for reader in self._readers):  # another listener was faster
            return
        self._position = position
        self._readers = [asyncio.create_task(self._read(keys)) for keys in self._shards]

    async def _read(self, keys: Keys) -> None:
        streams = {keys.journal(kind): kind for kind in KINDS}
        while self._listeners or self._joining:
            try:
                reply = await self._server.call(
                    "XREAD", "COUNT", STEP, "BLOCK", int(LONGEST_BLOCK * 1000), "STREAMS", *streams,
                    *(self._position[keys.shard, kind] for kind in KINDS),
                )  # fmt: skip
            except Unavailable:
                await asyncio.sleep(0.2)
                continue
            for stream, batch in reply or ():
                self._broadcast(keys.shard, streams[stream], batch)

    def _broadcast(self, shard: int, kind: Kind, batch: list[Raw]) -> None:
        for raw in batch:
            self._position[shard, kind] = raw[0]
            if told := _told(kind, raw, self._position):
                for listener in self._listeners:
                    listener.tell(told)


def _told(kind: Kind, raw: Raw, position: Position) -> Told | None:
    try:
        return Told(kind, entry_of(*raw), dict(position))
    except Unreadable:
        return None  # the projector puts it aside and says so


def _before(one: str, other: str) -> bool:
    return _number(one) < _number(other)


def _number(entry: str) -> tuple[int, int]:
    ms, _, seq = entry.partition("-")
    return int(ms), int(seq or 0)
