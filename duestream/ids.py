"""Ids of jobs: UUIDv7 (RFC 9562) as 32 hex digits, so that they sort by the time at which they were made.

48 bits of ms, 4 of version, 12 and 30 that count up from a random start within a process or batch (with 2 of variant
between them), 32 random ones, by which `keys.shard_of` finds the shard.
"""

import os

_COUNT = 30  # bits of the counter that are above the last 32


class Ids:
    """Makes the ids of one process, each greater than the one before, as long as time does not go back."""

    def __init__(self) -> None:
        self._ms = 0
        self._high = 0
        self._count = 0

    def make(self, now_ms: int, count: int = 1, *, low: int | None = None) -> list[str]:
        """So many ids, in order; those of one call share their last 32 bits, `low` or by chance."""
        if now_ms > self._ms:
            self._ms = now_ms
            self._high = int.from_bytes(os.urandom(2), "big") & 0xFFF
            self._count = int.from_bytes(os.urandom(4), "big") & 0x1FFFFFFF  # leaves room to count
        low = int.from_bytes(os.urandom(4), "big") if low is None else low
        first = self._count + 1
        self._count += count
        return sequence(f"{self._ms << 80 | 0x7 << 76 | self._high << 64 | 0b10 << 62 | first << 32 | low:032x}", count)


def sequence(first: str, count: int) -> list[str]:
    """The ids of the call of `make` whose first one this is."""
    start = int(first, 16)
    return [f"{start + (n << 32):032x}" for n in range(count)]


def low_for(shard: int, shards: int, digest: int) -> int:
    """The last 32 bits of an id that is to live in a shard, otherwise as `digest` has them."""
    low = digest & 0x7FFFFFFF
    return low - low % shards + shard
