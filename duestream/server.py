"""The connection to Redis, Valkey or a Cluster of either: commands and scripts, and one error for "it is away"."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    ClusterDownError,
    ClusterError,
    MaxConnectionsError,
    NoScriptError,
    ReadOnlyError,
    RedisClusterException,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from duestream import keys
from duestream.errors import Misuse, Unavailable, WrongShards
from duestream.scripts import script

log = logging.getLogger("duestream.server")

AWAY = (
    RedisConnectionError,
    RedisTimeoutError,
    ClusterDownError,
    ClusterError,
    MaxConnectionsError,
    ReadOnlyError,
    RedisClusterException,
    TryAgainError,
    OSError,
)
RAW = (
    "XREAD",
    "XREADGROUP",
    "XRANGE",
    "XREVRANGE",
    "XAUTOCLAIM",
    "XINFO GROUPS",
    "XINFO CONSUMERS",
    "XPENDING",
)
CONNECTIONS = 64
FIRST_PAUSE = 0.05  # seconds
LONGEST_BLOCK = 5.0  # seconds that a command may block; well below the socket's time limit

Result = TypeVar("Result")
Part = str | bytes | int | float


class Server:
    """One Redis, or one Cluster. Nothing is sent twice behind the caller's back."""

    def __init__(self, client: "Redis | RedisCluster") -> None:
        self.client = client
        for command in RAW:
            client.set_response_callback(command, lambda response, **_: response)

    async def call(self, *command: Part, patience: float = 0) -> Any:
        """One command; with patience, in seconds, one that may be sent again until it succeeds. Raises Unavailable."""
        if patience:
            return await self.patiently(lambda: self.call(*command), patience)
        try:
            return await self.client.execute_command(*command)
        except AuthenticationError:
            raise
        except AWAY as error:
            raise Unavailable(f"Redis is away: {error}") from error

    async def run(
        self,
        name: str,
        keys: Sequence[str],
        args: Sequence[str] | Sequence[int] | Sequence[str | int] | Sequence[Part],
        *,
        patience: float = 0,
    ) -> Any:
        """One run of a script; with patience, in seconds, one that may be run again. Raises Unavailable."""
        if patience:
            return await self.patiently(lambda: self.run(name, keys, args), patience)
        wanted = script(name)
        try:
            return await self.call("EVALSHA", wanted.sha, len(keys), *keys, *args)
        except NoScriptError:  # a server that has never seen it, or has restarted
            return await self.call("EVAL", wanted.text, len(keys), *keys, *args)

    async def patiently(self, call: Callable[[], Awaitable[Result]], patience: float) -> Result:
        """Repeat a call that may be repeated until it succeeds, for `patience` seconds. Raises Unavailable then."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + patience
        pause = 0.02
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    return await call()
            except TimeoutError as error:
                raise Unavailable("Redis did not answer in time") from error
            except Unavailable:
                if clock() + pause > deadline:
                    raise
                await asyncio.sleep(pause)
                pause = min(pause * 2, 0.25)

    async def clock_ms(self) -> int:
        """ms since the epoch, by the server's clock."""
        seconds, micros = await self.call("TIME")
        return int(seconds) * 1000 + int(micros) // 1000


@asynccontextmanager
async def connect(url: str, *, patience: float | None = None) -> AsyncIterator[Server]:
    """A connection to what stands at `url` (redis://, rediss://, unix://), a Cluster if it is one.

    Waits until it answers, for `patience` seconds at most. Raises Unavailable then, Misuse for an impossible URL.
    """
    try:
        async with asyncio.timeout(patience):
            client = await _client(url)
    except TimeoutError:
        raise Unavailable(f"nothing answers at {url.rpartition('@')[2]}") from None
    try:
        yield Server(client)
    finally:
        await client.aclose()


async def _client(url: str) -> "Redis | RedisCluster":
    options: dict[str, Any] = {
        "decode_responses": True,
        "encoding_errors": "backslashreplace",
        "protocol": 2,
        "socket_timeout": 3 * LONGEST_BLOCK,
        "socket_connect_timeout": 2.0,
        "max_connections": CONNECTIONS,
    }
    try:
        single = Redis.from_url(url, retry=Retry(NoBackoff(), 0), **options)
    except ValueError as error:
        raise Misuse(f"DUESTREAM_REDIS_URL: {error}") from None
    pause = FIRST_PAUSE
    while True:
        try:
            info = await single.info("cluster")
            break
        except AuthenticationError:
            await single.aclose()
            raise Misuse("DUESTREAM_REDIS_URL: the server refuses this user name or password") from None
        except AWAY as error:
            if pause == FIRST_PAUSE:
                log.warning("waiting for Redis", extra={"reason": str(error)})
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)
    if not info.get("cluster_enabled"):
        return single
    await single.aclose()
    return RedisCluster.from_url(url, retry=Retry(NoBackoff(), 0), **options)


async def agree_on_shards(server: Server, shards: int) -> None:
    """Keep the number of shards with the data. Raises WrongShards where it was written with another."""
    await server.call("HSETNX", keys.meta(), "shards", shards)
    stored = int(await server.call("HGET", keys.meta(), "shards"))
    if stored != shards:
        raise WrongShards(stored=stored, asked=shards)
