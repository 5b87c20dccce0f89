"""How a process lives: settings in, signals to a stop event, signs of life, duties that loop until the stop."""

import asyncio
import contextlib
import errno
import gc
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import uvloop

from duestream import keys
from duestream.errors import Misuse, Unavailable
from duestream.server import Server, agree_on_shards, connect
from duestream.settings import Settings

log = logging.getLogger("duestream.lifecycle")

BEAT = 2.0  # seconds between signs of life
AWAY_AT_START = 30.0  # seconds that Redis may be away while a process begins
BACKLOG = 2048  # connections that wait to be accepted
FORGOTTEN_MS = 3600 * 1000  # after which a process that gave none is no longer listed


class Duty(Protocol):
    """Something that a process does over and over."""

    async def once(self) -> None:
        """One round; waits where there is nothing to do."""


def process_name(role: str) -> str:
    """`projector@host:123:ab12cd`: no other process, before or after, has the same."""
    return f"{role}@{socket.gethostname()}:{os.getpid()}:{os.urandom(3).hex()}"


def run(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run a process until SIGTERM or SIGINT sets the event that it is given, and it has drained.

    That Redis is away is no error any more when it was told to stop.
    """

    async def process() -> None:
        spare_the_collector()
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, stop.set)
        try:
            await main(stop)
        except* Unavailable:
            if not stop.is_set():
                raise

    uvloop.run(process())


def spare_the_collector() -> None:
    """Have Python look for garbage in cycles seldom, and never at what a process begins with.

    By default it does so all the time, since each request makes some objects that live for a moment: that takes a
    tenth of a process's time, and each of its looks at everything holds all requests up.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


@asynccontextmanager
async def serving(settings: Settings, name: str, stop: asyncio.Event) -> AsyncIterator[Server]:
    """A connection to the data, of a process that shows that it lives. Waits for Redis, until the stop.

    Raises WrongShards, Unavailable.
    """
    async with connect(settings.url, stop=stop) as server:
        agreeing = server.patiently(lambda: agree_on_shards(server, settings.shards), AWAY_AT_START)
        if not await unless_stopped(agreeing, stop):
            raise Unavailable("stopped before Redis answered")
        beat = asyncio.create_task(_beat(server, name))
        try:
            yield server
        finally:
            beat.cancel()
            with contextlib.suppress(Unavailable):
                await server.call("ZREM", keys.processes(), name)


async def _beat(server: Server, name: str) -> None:
    while True:
        with contextlib.suppress(Unavailable):
            now = await server.clock_ms()
            await server.call("ZADD", keys.processes(), now, name)
            await server.call("ZREMRANGEBYSCORE", keys.processes(), "-inf", now - FORGOTTEN_MS)
        await asyncio.sleep(BEAT)


async def living(server: Server) -> list[str]:
    """The names of the processes that showed themselves lately."""
    now = await server.clock_ms()
    names: list[str] = await server.call("ZRANGEBYSCORE", keys.processes(), now - int(3 * BEAT * 1000), "+inf")
    return names


def bind(host: str, port: int) -> list[socket.socket]:
    """Sockets on every address of a host, to listen on; port 0 is any that is free. Raises Misuse where none can be."""
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            each = socket.socket(family, kind, protocol)
            sockets.append(each)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            each.bind((address[0], sockets[0].getsockname()[1] or port, *address[2:]))
    except (OSError, UnicodeError) as error:
        for each in sockets:
            each.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise Misuse(f"port {port} of {host} is in use: stop what listens there, or take another --port") from None
        raise Misuse(f"cannot listen on port {port} of {host}: {getattr(error, 'strerror', None) or error}") from None
    return sockets


async def until_stopped(duties: list[Duty], stop: asyncio.Event, drain: float) -> None:
    """Do duties side by side until the stop, then let each finish its round, for `drain` seconds at most."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_forever(duty, stop)) for duty in duties]
        await stop.wait()
        late = (await asyncio.wait(tasks, timeout=drain))[1] if tasks else ()
        for task in late:
            log.warning("cut off while draining", extra={"task": task.get_name()})
            task.cancel()


async def _forever(duty: Duty, stop: asyncio.Event) -> None:
    pause = 0.1
    while not stop.is_set():
        try:
            await duty.once()
            pause = 0.1
        except Unavailable as error:
            log.warning("waiting for Redis", extra={"duty": type(duty).__name__, "reason": str(error)})
            await wait(stop, pause)
            pause = min(pause * 2, 2.0)
        except Misuse:
            raise
        except Exception:
            log.exception("a round failed", extra={"duty": type(duty).__name__})
            await wait(stop, pause)
            pause = min(pause * 2, 5.0)


async def wait(stop: asyncio.Event, seconds: float) -> bool:
    """Wait for the stop, for so long at most; whether it came."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
        return True
    except TimeoutError:
        return False


async def unless_stopped(call: Awaitable[object], stop: asyncio.Event) -> bool:
    """Do a call that may block for long, cut off by the stop; whether it was done."""
    doing = asyncio.ensure_future(call)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((doing, stopping), return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            doing.result()
            return True
        return False
    finally:
        for task in (doing, stopping):
            while not task.done():
                task.cancel()  # again and again: `asyncio.wait_for` may swallow one, before Python 3.12
                await asyncio.wait((task,), timeout=0.05)
