"""How far consumer groups are behind the journal."""

from collections.abc import Iterable

import msgspec

from duestream.group import PROJECTOR
from duestream.keys import KINDS, Keys
from duestream.server import Server


class Lag(msgspec.Struct, frozen=True):
    """Of one group on one journal stream: unfinished entries, and the age of the oldest of them in seconds."""

    kind: str
    shard: int
    group: str
    entries: int
    seconds: float


async def lags(server: Server, shards: Iterable[Keys]) -> list[Lag]:
    """Of every group on every journal stream."""
    now = await server.clock_ms()
    found: list[Lag] = []
    for keys in shards:
        for kind in KINDS:
            reply = await server.run("lag", [keys.journal(kind), keys.progress(kind)], [PROJECTOR])
            for group, entries, oldest in zip(reply[::3], reply[1::3], reply[2::3], strict=True):
                age = max(0, now - int(oldest.partition("-")[0])) / 1000 if oldest else 0.0
                found.append(Lag(kind, keys.shard, group, int(entries), age))
    return found
