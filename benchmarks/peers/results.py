"""What stands in a peer's own result store, read as its users' results are: never by asking the worker."""

from typing import Protocol

from redis.asyncio import Redis

CHUNK = 1000


class Results(Protocol):
    """database: where they stand; the store that is handed over is open on it."""

    database: int

    async def done(self, store: Redis, count: int) -> int:
        """How many of `count` jobs are over, by one cheap call; may count one that failed."""
        ...

    async def succeeded(self, store: Redis) -> int:
        """How many results of success there are, by reading all of them."""
        ...


class Each:
    """Results under keys of their own, which hold `success`.

    left: the sorted set that an entry leaves in the step that stores its result; none where the results have their
    database to themselves, so that its keys count.
    """

    def __init__(self, pattern: str, success: bytes, *, database: int = 0, left: str = "") -> None:
        self.database = database
        self._pattern = pattern
        self._success = success
        self._left = left

    async def done(self, store: Redis, count: int) -> int:
        if self._left:
            return count - int(await store.zcard(self._left))
        return int(await store.dbsize())

    async def succeeded(self, store: Redis) -> int:
        keys = [key async for key in store.scan_iter(match=self._pattern, count=CHUNK)]
        found = 0
        for at in range(0, len(keys), CHUNK):
            values = await store.mget(keys[at : at + CHUNK])
            found += sum(1 for value in values if value is not None and self._success in value)
        return found


class Hash:
    """Results that are the fields of one hash, which hold `success`."""

    def __init__(self, key: str, success: bytes) -> None:
        self.database = 0
        self._key = key
        self._success = success

    async def done(self, store: Redis, count: int) -> int:
        return int(await store.hlen(self._key))

    async def succeeded(self, store: Redis) -> int:
        return sum(1 for value in await store.hvals(self._key) if self._success in value)


class Completed:
    """Jobs that moved, with their results, to the sorted set of those that succeeded."""

    def __init__(self, key: str) -> None:
        self.database = 0
        self._key = key

    async def done(self, store: Redis, count: int) -> int:
        return int(await store.zcard(self._key))

    async def succeeded(self, store: Redis) -> int:
        return int(await store.zcard(self._key))
