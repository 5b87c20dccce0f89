"""The connection to Redis, Valkey or a Cluster of either: commands and scripts, and one error for "it is away"."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.driver_info import DriverInfo
from redis.exceptions import (
    AuthenticationError,
    ClusterDownError,
    ClusterError,
    MaxConnectionsError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from duestream import keys
from duestream.errors import Misuse, Unavailable, WrongShards
from duestream.packing import pack_with_hiredis
from duestream.scripts import script

log = logging.getLogger("duestream.server")

AWAY = (
    RedisConnectionError,
    RedisTimeoutError,
    ClusterDownError,
    ClusterError,
    MaxConnectionsError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    TryAgainError,
    OSError,
)
UNABLE = (
    "OOM ",
    "MISCONF ",
    "NOREPLICAS ",
    "MASTERDOWN ",
    "BUSY ",
)  # memory, disk or replicas are short, not the call wrong
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
CONNECTIONS = 2**16  # those that block take one each; the rest take turns
AT_ONCE = 64  # commands on their way that do not block
BLOCKING = ("XREAD", "XREADGROUP")
DRIVER = DriverInfo()  # one for all: each connection would else look for redis-py's version on the disk
FIRST_PAUSE = 0.05  # seconds
LEARNING = 30.0  # seconds that a cluster may take to tell its nodes
LONGEST_BLOCK = 5.0  # seconds that a command may block; well below the socket's time limit

pack = msgspec.msgpack.Encoder().encode  # one argument of many, for a script to unpack: texts and numbers, no bytes

Result = TypeVar("Result")
Part = str | bytes | int | float


class Server:
    """One Redis, or one Cluster. Nothing is sent twice behind the caller's back."""

    def __init__(self, client: "Redis | RedisCluster") -> None:
        self.client = client
        self._turns = asyncio.Semaphore(AT_ONCE)
        for command in RAW:
            client.set_response_callback(command, lambda response, **_: response)

    async def call(self, *command: Part, patience: float = 0) -> Any:
        """One command; with patience, in seconds, one that may be sent again until it succeeds. Raises Unavailable."""
        if patience:
            return await self.patiently(lambda: self.call(*command), patience)
        try:
            if command[0] in BLOCKING:
                return await self.client.execute_command(*command)
            async with self._turns:
                return await self.client.execute_command(*command)
        except AuthenticationError:
            raise
        except AWAY as error:
            raise Unavailable(f"Redis is away: {error}") from error
        except AttributeError as error:  # a cluster's client closed this connection, since another one failed
            if not isinstance(self.client, RedisCluster):
                raise
            raise Unavailable("Redis is away: the connection was closed") from error
        except ResponseError as error:
            if not str(error).startswith(UNABLE):
                raise
            raise Unavailable(f"Redis cannot do it now: {error}") from error

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
async def connect(
    url: str, *, patience: float | None = None, stop: asyncio.Event | None = None
) -> AsyncIterator[Server]:
    """A connection to what stands at `url` (redis://, rediss://, unix://), a Cluster if it is one.

    Waits until it answers, for `patience` seconds at most, and not beyond the stop. Raises Unavailable then, Misuse
    for what waiting does not mend: an impossible URL, a wrong password, a certificate that is not trusted.
    """
    connecting = asyncio.ensure_future(_client(url))
    stopping = asyncio.ensure_future((stop or asyncio.Event()).wait())
    try:
        await asyncio.wait((connecting, stopping), timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        if not connecting.done():
            raise Unavailable(f"nothing answers at {shown(url)}")
        client = connecting.result()
    finally:
        connecting.cancel()
        stopping.cancel()
    try:
        yield Server(client)
    finally:
        await client.aclose()


def shown(url: str) -> str:
    """A server's URL as it may be printed: without user, password and options."""
    scheme, _, rest = url.partition("://")
    address = rest.partition("?")[0].rpartition("@")[2]
    if "@" in rest and "@" not in rest.partition("?")[0]:  # a password with a bare question mark
        address = rest.rpartition("@")[2]
    return f"{scheme}://{address}"


async def _client(url: str) -> "Redis | RedisCluster":
    options: dict[str, Any] = {
        "decode_responses": True,
        "encoding_errors": "backslashreplace",
        "protocol": 2,
        "socket_timeout": 3 * LONGEST_BLOCK,
        "socket_connect_timeout": 2.0,
        "max_connections": CONNECTIONS,
        "driver_info": DRIVER,
    }
    try:
        single = Redis.from_url(url, retry=Retry(NoBackoff(), 0), **options)
    except ValueError:  # its text may hold a part of the password
        raise Misuse(
            "DUESTREAM_REDIS_URL: expected redis://[user:password@]host[:port][/db], rediss://… or unix:///path, "
            f"got {shown(url)}"
        ) from None
    pack_with_hiredis(single.connection_pool)
    try:
        info = await _cluster_info(single)
    except BaseException:
        await single.aclose()
        raise
    if not info.get("cluster_enabled"):
        return single
    await single.aclose()
    cluster = RedisCluster.from_url(url, retry=Retry(NoBackoff(), 0), **options)
    try:
        # by nobody else meanwhile: the client closes the connections of calls that find it learning its nodes
        await Server(cluster).patiently(lambda: _learn(cluster), LEARNING)
    except BaseException:
        await cluster.aclose()
        raise
    return cluster


async def _learn(cluster: RedisCluster) -> None:
    """Have a client learn the nodes of its cluster."""
    try:
        await cluster.initialize()
        await cluster.ping()
    except AWAY as error:
        raise Unavailable(f"Redis is away: {error}") from error


async def _cluster_info(client: Redis) -> dict[str, Any]:
    """What the server says of its being a cluster, once it answers."""
    pause = FIRST_PAUSE
    while True:
        try:
            info: dict[str, Any] = await client.info("cluster")
            return info
        except AuthenticationError:
            raise Misuse("DUESTREAM_REDIS_URL: the server refuses this user name or password") from None
        except TypeError:
            raise Misuse("DUESTREAM_REDIS_URL: one of the options after the ? is unknown") from None
        except AWAY as error:
            if isinstance(error.__cause__ or error.__context__, ssl.SSLCertVerificationError):
                raise Misuse(f"DUESTREAM_REDIS_URL: the server's certificate is not trusted: {error}") from None
            if pause == FIRST_PAUSE:
                log.warning("waiting for Redis", extra={"reason": str(error)})
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)


async def agree_on_shards(server: Server, shards: int) -> None:
    """Keep the number of shards with the data. Raises WrongShards where it was written with another."""
    await server.call("HSETNX", keys.meta(), "shards", shards)
    stored = int(await server.call("HGET", keys.meta(), "shards"))
    if stored != shards:
        raise WrongShards(stored=stored, asked=shards)
