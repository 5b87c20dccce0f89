"""The journal as it grows, for any number of listeners of one API process: one reader per shard feeds them all.

A listener stands at a position: the last entry that it was told of each stream. It joins, catches up with the readers
from the streams themselves, and from then on takes what they broadcast. So each entry after its position is told
once, whatever comes in between:

    what may happen                                what keeps it whole
    entries come while it catches up               it goes on until nothing lies between; only then it is live
    it has come further elsewhere than the readers what they broadcast up to its position is left out
    the last listener leaves, another comes        a reader that has ended starts anew at the streams' ends
    Redis is away                                  readers try again from where they were
    it does not take what it is told               it is dropped, and told so when it takes the next
    its position is none of this journal           it listens from the streams' ends
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterable

import msgspec

from api.entries import journal_event
from duestream.errors import Unavailable
from duestream.events import Unreadable, entry_of
from duestream.group import Raw
from duestream.keys import KINDS, Keys, Kind
from duestream.server import LONGEST_BLOCK, Server

log = logging.getLogger("duestream.hub")

BACKLOG = 1000  # entries that may wait for a listener before it is dropped
STEP = 500
PATIENCE = 2.0  # seconds
PAUSE = 0.2  # seconds, where Redis is away

Source = tuple[int, Kind]
Position = dict[Source, str]


class Told(msgspec.Struct, frozen=True):
    """An entry of a stream. text: the JSON that clients get, made once for all of them."""

    source: Source
    entry: str
    type: str
    text: str


class Dropped(Exception):
    """The listener was too slow."""


class Listener:
    """One who listens to what it wants. Once it is live, what it has not taken yet waits in its queue; None ends it."""

    def __init__(self, wants: Callable[[Told], bool]) -> None:
        self.wants = wants
        self.position: Position = {}
        self.queue: asyncio.Queue[Told | None] = asyncio.Queue(BACKLOG)
        self.live = False
        self.dropped = False

    def tell(self, told: Told | None) -> None:
        try:
            self.queue.put_nowait(told)
        except asyncio.QueueFull:
            self.live = False
            self.dropped = True
            while not self.queue.empty():
                self.queue.get_nowait()
            self.queue.put_nowait(None)


class Hub:
    """Reads only while somebody listens."""

    def __init__(self, server: Server, shards: Iterable[Keys]) -> None:
        self._server = server
        self._shards = list(shards)
        self._position: Position = {}  # of the readers
        self._listeners: set[Listener] = set()
        self._readers: dict[int, asyncio.Task[None]] = {}
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether this process is stopping."""
        return self._closed

    @property
    def sources(self) -> list[Source]:
        """The streams that are followed."""
        return [(keys.shard, kind) for keys in self._shards for kind in KINDS]

    async def join(self, since: Position | None, wants: Callable[[Told], bool] = lambda _: True) -> Listener:
        """A new listener, to everything after a position (None, and streams that it leaves out: from now on).

        Raises Unavailable.
        """
        if self._closed:
            raise Unavailable("this process is stopping")
        listener = Listener(wants)
        self._listeners.add(listener)
        try:
            ends = await self._ends()
        except BaseException:
            self.leave(listener)
            raise
        if self._closed:
            self.leave(listener)
            raise Unavailable("this process is stopping")
        listener.position = {
            source: end if since is None or _before(end, since.get(source, end)) else since.get(source, end)
            for source, end in ends.items()
        }
        for keys in self._shards:
            reader = self._readers.get(keys.shard)
            if reader is None or reader.done():
                self._position.update({source: end for source, end in ends.items() if source[0] == keys.shard})
                self._readers[keys.shard] = asyncio.create_task(self._read(keys))
        return listener

    def leave(self, listener: Listener) -> None:
        """The listener has gone."""
        listener.live = False
        self._listeners.discard(listener)

    async def told(self, listener: Listener) -> AsyncGenerator[Told, None]:
        """Every entry after the listener's position, each once, until `close`. Raises Dropped, Unavailable."""
        async for told in self._catch_up(listener):
            yield told
        listener.live = True  # nothing was awaited since its position was found to be the readers' own
        while not self._closed:
            said = await listener.queue.get()
            if listener.dropped:
                raise Dropped
            if said is None:
                return
            if _before(listener.position[said.source], said.entry):
                listener.position[said.source] = said.entry
                yield said

    def close(self) -> None:
        """Let all listeners go."""
        self._closed = True
        for listener in self._listeners:
            if listener.live:
                listener.tell(None)
        for reader in self._readers.values():
            reader.cancel()

    async def _catch_up(self, listener: Listener) -> AsyncGenerator[Told, None]:
        """Bring a listener's position up to the readers', telling what lies between."""
        position = listener.position
        behind = True
        while behind and not self._closed:
            behind = False
            for keys in self._shards:
                for kind in KINDS:
                    source = (keys.shard, kind)
                    while _before(position[source], self._position[source]):
                        behind = True
                        target = self._position[source]
                        start = f"({position[source]}"
                        batch: list[Raw] = await self._server.call(
                            "XRANGE", keys.journal(kind), start, target, "COUNT", STEP, patience=PATIENCE
                        )
                        if not batch:  # the data was removed under us
                            position[source] = target
                        for raw in batch:
                            position[source] = raw[0]
                            if (told := _told(source, raw)) and listener.wants(told):
                                yield told

    async def _ends(self) -> Position:
        position: Position = {}
        for keys in self._shards:
            for kind in KINDS:
                last: list[Raw] = await self._server.call(
                    "XREVRANGE", keys.journal(kind), "+", "-", "COUNT", 1, patience=PATIENCE
                )
                position[keys.shard, kind] = last[0][0] if last else "0-0"
        return position

    async def _read(self, keys: Keys) -> None:
        streams = {keys.journal(kind): kind for kind in KINDS}
        while self._listeners:
            try:
                reply = await self._server.call(
                    "XREAD", "COUNT", STEP, "BLOCK", int(LONGEST_BLOCK * 1000), "STREAMS", *streams,
                    *(self._position[keys.shard, kind] for kind in KINDS),
                )  # fmt: skip
            except Unavailable:
                await asyncio.sleep(PAUSE)
                continue
            except Exception:
                log.exception("reading the journal failed", extra={"shard": keys.shard})
                await asyncio.sleep(PAUSE)
                continue
            for stream, batch in reply or ():
                self._broadcast((keys.shard, streams[stream]), batch)

    def _broadcast(self, source: Source, batch: list[Raw]) -> None:
        for raw in batch:
            self._position[source] = raw[0]
            if told := _told(source, raw):
                for listener in self._listeners:
                    if listener.live and listener.wants(told):
                        listener.tell(told)


def _told(source: Source, raw: Raw) -> Told | None:
    try:
        entry = entry_of(*raw)
        text = msgspec.json.encode(journal_event(source[1], entry)).decode()
    except (Unreadable, ValueError):
        return None  # the projector puts it aside and says so
    return Told(source, entry.entry, entry.type, text)


def _before(one: str, other: str) -> bool:
    return _number(one) < _number(other)


def _number(entry: str) -> tuple[int, int]:
    ms, _, seq = entry.partition("-")
    return int(ms), int(seq or 0)
