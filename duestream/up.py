"""`duestream up`: everything on one machine. An embedded server unless there is one, and one of each process.

A child that dies is started again, after a pause that grows while it keeps dying; one that says that starting it again
does not help (status 2: a bad setting, a port in use) ends all. On the way down the senders stop before the receivers:
the API, then the runner, the scheduler, the projector, and the server. If this process is killed, its children end too.
"""

import asyncio
import contextlib
import logging
import os
import shlex
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from duestream import embedded, lifecycle
from duestream.children import Child
from duestream.errors import Misuse
from duestream.keys import Keys
from duestream.server import agree_on_shards, connect, shown
from duestream.settings import PREFIX, Settings, check_access

log = logging.getLogger("duestream.up")

ROLES = ("projector", "scheduler", "runner", "api")  # in the order in which they start
VALKEY_PATIENCE = 30.0  # seconds that the embedded server may take to end


class Store(msgspec.Struct, frozen=True):
    """The server that is used. inside: how to look into it with redis-cli; place: whose it is."""

    url: str
    inside: str
    place: str


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Everything, until the stop. Raises Misuse where it cannot be."""
    check_access(settings)
    settings = msgspec.structs.replace(settings, port=_free(settings.host, settings.port))
    async with _store(settings, stop) as store:
        async with connect(store.url, stop=stop) as server:
            await server.patiently(lambda: agree_on_shards(server, settings.shards), lifecycle.AWAY_AT_START)
        env = _environment(settings, store.url)
        children = [Child(role, [sys.executable, "-m", role], stop, env=env) for role in ROLES]
        announcing = asyncio.create_task(_announce(settings, store, children))
        try:
            for child in children:
                child.start()
            await stop.wait()
            log.info("stopping")
        finally:
            announcing.cancel()
            for child in reversed(children):
                await child.end(settings.drain_seconds + 5)
        _complain(children)


def _complain(children: Sequence[Child]) -> None:
    for child in children:
        if child.gave_up:
            raise Misuse(f"the {child.name} cannot run, for the reason above; so nothing is running now")


@asynccontextmanager
async def _store(settings: Settings, stop: asyncio.Event) -> AsyncIterator[Store]:
    """The server that is named, or else an embedded one."""
    if settings.redis_url:
        yield Store(settings.redis_url, _redis_cli(settings.redis_url), "yours")
        return
    data = Path(settings.data_dir).resolve()
    with embedded.lock(data) as lock:
        socket = embedded.socket_of(data)
        socket.unlink(missing_ok=True)
        command = embedded.command(data, socket, settings.fsync)
        valkey = Child("embedded Valkey", command, stop, env=embedded.environment(), keep_open=[lock.fileno()])
        valkey.start()
        try:
            await _first_answer(valkey, embedded.url_of(socket), data)
            inside = f"redis-cli -s {shlex.quote(str(socket))}"
            yield Store(embedded.url_of(socket), inside, f"embedded, data in {data}")
        finally:
            await valkey.end(VALKEY_PATIENCE)


async def _first_answer(valkey: Child, url: str, data: Path) -> None:
    """Wait until the embedded server answers. Raises Misuse if it ends before it ever did."""
    ended, answered = asyncio.create_task(valkey.died()), asyncio.create_task(_answers(url))
    await asyncio.wait((ended, answered), return_when=asyncio.FIRST_COMPLETED)
    answered.cancel()
    if ended.done():
        journal = data / "valkey.log"
        last = journal.read_text(errors="replace").splitlines()[-5:] if journal.exists() else []
        raise Misuse("\n  ".join([f"the embedded Valkey does not start on {data}; the end of {journal}:", *last]))
    ended.cancel()


async def _answers(url: str) -> None:
    """Wait until a server has its data and answers; its socket is there before, also where the data cannot be read."""
    path = embedded.socket_in(url)
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                writer.write(b"PING\r\n")
                if (await reader.readline()).startswith(b"+PONG"):
                    return
            finally:
                writer.close()
        await asyncio.sleep(0.01)


def _redis_cli(url: str) -> str:
    """How to look into a server that is named; its password is not printed."""
    if url.startswith("unix:"):
        return f"redis-cli -s {shlex.quote(embedded.socket_in(url))}"
    return f"redis-cli -u {shlex.quote(shown(url))}"


def _free(host: str, port: int) -> int:
    """The port to serve on, a free one for 0. Raises Misuse where it is in use: better now than from a child."""
    sockets = lifecycle.bind(host, port)
    found: int = sockets[0].getsockname()[1]
    for each in sockets:
        each.close()
    return found


def _environment(settings: Settings, url: str) -> dict[str, str]:
    """The environment of the children: these settings, whatever they came from."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    given = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in msgspec.structs.asdict(settings).items()
    }
    return {**others, **{PREFIX + name.upper(): value for name, value in {**given, "redis_url": url}.items()}}


async def _announce(settings: Settings, store: Store, children: Sequence[Child]) -> None:
    """Say where everything is, once all of it lives and the API answers."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    async with connect(store.url) as server:
        never = asyncio.Event()
        while not await _all_live(await lifecycle.living(server), children, host, settings.port):
            await lifecycle.wait(never, 0.05)
        about = await server.client.info("server")
    if "redis_version" not in about:  # a cluster's: by node
        about = next(iter(about.values()))
    name = "valkey" if "valkey_version" in about else "redis"
    version = about.get("valkey_version", about["redis_version"])
    address = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    print(
        f"\n  Duestream is up.\n\n"
        f"    page         {address}/\n"
        f"    API          {address}/v1/tasks, {address}/v1/jobs, {address}/v1/queues/cats\n"
        f"    docs         {address}/docs\n"
        f"    events       curl -N {address}/v1/events\n"
        f"    inside       {store.inside} XRANGE {shlex.quote(Keys(0).journal('tasks'))} - +\n"
        f"    store        {name} {version}, {store.place}\n\n"
        f"  Ctrl-C drains and stops all of it.\n",
        flush=True,
    )


async def _all_live(names: Sequence[str], children: Sequence[Child], host: str, port: int) -> bool:
    pids = {int(name.split(":")[1]) for name in names}
    if not all(child.pid in pids for child in children):
        return False
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True
