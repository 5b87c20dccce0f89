"""Counters that belong to no single process, kept in Redis: how many notices were given, and how late."""

from collections.abc import Sequence

import msgspec

from duestream.keys import Keys
from duestream.server import Server

BUCKETS_MS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 5000, 60_000)


class NoticeStats(msgspec.Struct, frozen=True):
    """given: how many; late_ms: the sum; buckets: cumulative counts by the upper bounds of BUCKETS_MS."""

    given: int
    late_ms: int
    buckets: tuple[int, ...]


async def count_notices(server: Server, keys: Keys, lateness_ms: Sequence[int]) -> None:
    """Count notices that were given, each so late. Counts, not facts: one that dies here loses only the count."""
    if not lateness_ms:
        return
    counts: dict[str, int] = {
        "notices": len(lateness_ms),
        "late_ms": sum(max(0, late) for late in lateness_ms),
    }
    for late in lateness_ms:
        bound = next((bound for bound in BUCKETS_MS if late <= bound), None)
        if bound is not None:
            counts[f"late_le_{bound}"] = counts.get(f"late_le_{bound}", 0) + 1
    await server.run("count", [keys.stats()], [part for pair in counts.items() for part in pair])


async def notice_stats(server: Server, keys: Sequence[Keys]) -> NoticeStats:
    """What all processes counted, over some shards."""
    given = late = 0
    counts = [0] * len(BUCKETS_MS)
    for each in keys:
        stored: dict[str, str] = await server.call("HGETALL", each.stats())
        given += int(stored.get("notices", 0))
        late += int(stored.get("late_ms", 0))
        for n, bound in enumerate(BUCKETS_MS):
            counts[n] += int(stored.get(f"late_le_{bound}", 0))
    return NoticeStats(given, late, tuple(sum(counts[: n + 1]) for n in range(len(counts))))
