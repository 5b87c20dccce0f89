"""`duestream up`: everything on one machine. An embedded server unless there is one, and one of each process.

A child that dies is started again, after a pause that grows while it keeps dying. On the way down the senders stop
before the receivers: the API, then the scheduler, then the projector, then the server.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from duestream import embedded
from duestream.lifecycle import wait
from duestream.server import connect
from duestream.settings import Settings, check_access

log = logging.getLogger("duestream.up")

ROLES = ("projector", "scheduler", "api")  # in the order in which they start
LIVED_LONG = 10.0  # seconds after which a death counts as the first again
LONGEST_PAUSE = 10.0


class Child:
    """One process that is kept running."""

    def __init__(self, name: str, command: Sequence[str], env: dict[str, str]) -> None:
        self.name = name
        self._command = command
        self._env = env
        self._process: asyncio.subprocess.Process | None = None

    async def keep(self, stop: asyncio.Event) -> None:
        """Run it until the stop, again whenever it dies."""
        loop = asyncio.get_running_loop()
        pause = 0.1
        while not stop.is_set():
            started = loop.time()
            self._process = await asyncio.create_subprocess_exec(
                *self._command, env=self._env, start_new_session=True, preexec_fn=embedded.with_parent()
            )
            log.debug("started", extra={"role": self.name, "pid": self._process.pid})
            await self._process.wait()
            if stop.is_set():
                return
            pause = 0.1 if loop.time() - started > LIVED_LONG else pause
            log.warning(
                "restarting", extra={"role": self.name, "status": self._process.returncode, "in_seconds": pause}
            )
            await wait(stop, pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def end(self, patience: float) -> None:
        """Have it drain and stop; kill it where that takes too long."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(patience):
                await process.wait()
        except TimeoutError:
            log.warning("killed: it did not stop in time", extra={"role": self.name})
            process.kill()
            await process.wait()


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Everything, until the stop."""
    check_access(settings)
    async with _redis(settings, stop) as (url, inside):
        env = {**os.environ, **_environment(settings), "DUESTREAM_REDIS_URL": url}
        children = [Child(role, [sys.executable, "-m", role], env) for role in ROLES]
        async with asyncio.TaskGroup() as group:
            for child in children:
                group.create_task(child.keep(stop))
            group.create_task(_announce(settings, url, inside, stop))
            await stop.wait()
            log.info("stopping")
            for child in reversed(children):
                await child.end(settings.drain_seconds + 5)


@asynccontextmanager
async def _redis(settings: Settings, stop: asyncio.Event) -> AsyncIterator[tuple[str, str]]:
    """The URL of the server to use, and how to look inside it with redis-cli."""
    if settings.redis_url:
        yield settings.redis_url, f"redis-cli -u {settings.redis_url}"
        return
    data = Path(settings.data_dir).resolve()
    with embedded.lock(data):
        keeper = _Valkey(data, settings.fsync)
        ended = asyncio.Event()
        keeping = asyncio.create_task(keeper.keep(ended))
        try:
            yield f"unix://{embedded.socket_of(data)}", f"redis-cli -s {embedded.socket_of(data)}"
        finally:
            ended.set()
            await keeping


class _Valkey:
    """Keeps the embedded server running."""

    def __init__(self, data: Path, fsync: str) -> None:
        self._data = data
        self._fsync = fsync

    async def keep(self, ended: asyncio.Event) -> None:
        pause = 0.1
        while not ended.is_set():
            async with embedded.valkey(self._data, self._fsync) as (_, process):
                dying = asyncio.create_task(process.wait())
                ending = asyncio.create_task(ended.wait())
                await asyncio.wait((dying, ending), return_when=asyncio.FIRST_COMPLETED)
                for task in (dying, ending):
                    task.cancel()
            if not ended.is_set():
                log.error(
                    "the embedded Valkey ended, starting it again",
                    extra={"status": process.returncode, "log": str(self._data / "valkey.log")},
                )
                await wait(ended, pause)
                pause = min(pause * 2, LONGEST_PAUSE)


def _environment(settings: Settings) -> dict[str, str]:
    """The settings as the children read them."""
    return {
        f"DUESTREAM_{name.upper()}": str(value).lower() if isinstance(value, bool) else str(value)
        for name in settings.__struct_fields__
        if (value := getattr(settings, name)) != "" and name != "redis_url"
    }


async def _announce(settings: Settings, url: str, inside: str, stop: asyncio.Event) -> None:
    """Say where everything is, once it answers."""
    while not stop.is_set():
        try:
            _, writer = await asyncio.open_connection(_reachable(settings.host), settings.port)
            writer.close()
            break
        except OSError:
            await wait(stop, 0.05)
    if stop.is_set():
        return
    host = _reachable(settings.host)
    address = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    async with connect(url) as server:
        info = await server.client.info("server")
    name = "valkey" if "valkey_version" in info else "redis"
    version = info.get("valkey_version") or info.get("redis_version")
    print(
        f"\n  Duestream is up.\n\n"
        f"    API          {address}/v1/tasks\n"
        f"    docs         {address}/docs\n"
        f"    events       curl -N {address}/v1/events\n"
        f"    inside       {inside} XRANGE 'ds:{{0}}:tasks' - +\n"
        f"    store        {name} {version}, {_place(settings)}\n\n"
        f"  Ctrl-C drains and stops all of it.\n",
        flush=True,
    )


def _place(settings: Settings) -> str:
    return "yours" if settings.redis_url else f"embedded, data in {Path(settings.data_dir).resolve()}"


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
