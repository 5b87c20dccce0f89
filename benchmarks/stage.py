"""Where a benchmark plays: an embedded Valkey with the settings of `duestream up`, and real processes beside it."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from duestream import embedded
from duestream.group import PROJECTOR
from duestream.jobs import DEFAULT_QUEUE
from duestream.journal import RUNNERS
from duestream.keys import Keys, Kind
from duestream.lag import lags
from duestream.server import Server, connect
from duestream.settings import Settings

STARTING = 20.0  # seconds
DRAINING = 120.0
CONTENDERS = "benchmarks.contenders."


class StageFailed(Exception):
    """A process ended, or something that must come did not."""


class Process:
    """One process of ours or of a contender."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path, port: int) -> None:
        self.name = name
        self.pid = process.pid
        self.port = port
        self._process = process
        self._log = log

    def check(self) -> None:
        """Raises StageFailed where it has ended."""
        if self._process.returncode is not None:
            end = self._log.read_text(errors="replace")[-2000:]
            raise StageFailed(f"{self.name} ended with status {self._process.returncode}:\n{end}")

    def hold(self) -> None:
        """Let it do nothing, until `resume`."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def cpu(self) -> float:
        """Seconds of processor time that it has used; 0 where the system does not tell."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def listening(self) -> None:
        await until(self._answers, f"{self.name} listens", STARTING)

    async def _answers(self) -> bool:
        self.check()
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True

    async def kill(self) -> None:
        """kill -9"""
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> None:
        if self._process.returncode is None:
            self.resume()
            self._process.terminate()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(20):
                    await self._process.wait()
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


class Stage:
    """One store and its processes; all are gone at the end."""

    def __init__(self, url: str, server: Server, store: Process, directory: Path, exits: AsyncExitStack) -> None:
        self.url = url
        self.server = server
        self.processes = [store]
        self.keys = Keys(0)
        self._directory = directory
        self._exits = exits
        self._count = 0

    async def role(self, name: str, **settings: str) -> Process:
        """One of our processes, as `duestream up` starts it; the API is listening, the projector has joined.

        settings: as `handlers="my_app.jobs"`, beside the defaults.
        """
        more = {f"DUESTREAM_{key.upper()}": value for key, value in settings.items()}
        process = await self._start(name, "DUESTREAM_REDIS_URL", "DUESTREAM_PORT", more)
        if name == "api":
            await process.listening()
        if name == "projector":
            await until(lambda: self._joined(process), "the projector joined", STARTING)
        if name == "runner":
            await until(lambda: self._listens(process), "the runner takes jobs", STARTING)
        return process

    async def contender(self, module: str) -> Process:
        """A server to compare with, `benchmarks.contenders.<module>`, listening."""
        process = await self._start(f"{CONTENDERS}{module}", "BENCHMARK_REDIS_URL", "BENCHMARK_PORT")
        await process.listening()
        return process

    async def whole(self) -> Process:
        """One of each of our processes; the API's is returned."""
        await self.role("projector")
        await self.role("scheduler")
        return await self.role("api")

    async def _start(self, module: str, url: str, port: str, more: Mapping[str, str] | None = None) -> Process:
        self._count += 1
        free = _free_port()
        env = {name: value for name, value in os.environ.items() if not name.startswith("DUESTREAM_")}
        process = await spawn(
            module,
            [sys.executable, "-m", module],
            self._directory / f"{self._count}-{module}.log",
            port=free,
            env={**env, url: self.url, port: str(free), **(more or {})},
        )
        self._exits.push_async_callback(process.stop)
        self.processes.append(process)
        return process

    async def _joined(self, process: Process) -> bool:
        process.check()
        consumers = await self._info("tasks", "CONSUMERS", PROJECTOR)
        return any(f":{process.pid}:" in str(each["name"]) for each in consumers)

    async def _listens(self, process: Process) -> bool:
        process.check()
        ready = self.keys.ready(DEFAULT_QUEUE)
        if not await self.server.call("EXISTS", ready):
            return False
        consumers = await self.server.call("XINFO", "CONSUMERS", ready, RUNNERS)
        return any(f":{process.pid}:" in str(each[1]) for each in consumers)

    async def undone(self, kind: Kind = "tasks") -> int:
        """Journal entries of a kind that the projectors have not applied."""
        for lag in await lags(self.server, [self.keys]):
            if (lag.kind, lag.group) == (kind, PROJECTOR):
                return lag.entries
        return int(await self.server.call("XLEN", self.keys.journal(kind)))

    async def drained(self, kind: Kind = "tasks") -> None:
        """Wait until every entry of a kind is applied."""

        async def none_left() -> bool:
            return await self.undone(kind) == 0

        await until(none_left, "the projectors applied everything", DRAINING)

    async def _info(self, kind: Kind, what: str, *names: str) -> list[dict[str, str | int]]:
        journal = self.keys.journal(kind)
        if not await self.server.call("EXISTS", journal):
            return []
        reply = await self.server.call("XINFO", what, journal, *names)
        return [dict(zip(flat[::2], flat[1::2], strict=True)) for flat in reply]


class Spending:
    """Processor time per thing done, of each process of a stage; steadier than rates on a machine that others use."""

    def __init__(self, at: Stage) -> None:
        self._at = at
        self._used: dict[str, float] = {}
        self._count = 0

    @contextlib.contextmanager
    def on(self) -> Iterator[None]:
        """What is used while the block runs counts."""
        before = {process: process.cpu() for process in self._at.processes}
        yield
        for process, was in before.items():
            self._used[process.name] = self._used.get(process.name, 0.0) + process.cpu() - was

    def add(self, count: int) -> None:
        """So many things were done."""
        self._count += count

    def of(self, name: str) -> float:
        """µs per thing of the processes of that name."""
        return self._used.get(name, 0.0) * 1e6 / max(1, self._count)

    def shown(self) -> str:
        """Of each process of ours."""
        ours = [name for name in self._used if not name.startswith(CONTENDERS)]
        return f"µs of CPU each: {', '.join(f'{name} {self.of(name):.0f}' for name in ours)}"


async def spawn(
    name: str, command: list[str], log: Path, *, port: int = 0, env: dict[str, str] | None = None
) -> Process:
    """Start a program that ends with this one."""
    with log.open("wb") as out:
        started = await asyncio.create_subprocess_exec(
            *command, env=env, stdout=out, stderr=out, start_new_session=True, preexec_fn=embedded.with_parent()
        )
    return Process(name, started, log, port)


@asynccontextmanager
async def stage(*, fsync: str = "", tcp: bool = False) -> AsyncIterator[Stage]:
    """A new store with nothing in it, as `duestream up` has it.

    fsync: `everysec`, as other systems recommend; tcp: reached by a port, as others reach theirs.
    """
    async with AsyncExitStack() as exits:
        directory = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="duestream-benchmark-")))
        socket_path = embedded.socket_of(directory)
        command = embedded.command(directory, socket_path, fsync or Settings().fsync)
        port = _free_port()
        if tcp:
            command += ["--port", str(port), "--bind", "127.0.0.1"]
        store = await spawn("valkey", command, directory / "valkey.log", env=embedded.environment())
        exits.push_async_callback(store.stop)
        url = f"redis://127.0.0.1:{port}" if tcp else embedded.url_of(socket_path)
        await until(lambda: _is_there(socket_path), "the store listens", STARTING)
        server = await exits.enter_async_context(connect(url, patience=STARTING))
        processes = await exits.enter_async_context(AsyncExitStack())
        yield Stage(url, server, store, directory, processes)


async def until(condition: Callable[[], Awaitable[bool]], what: str, seconds: float, step: float = 0.01) -> None:
    """Wait for a condition, looking every `step` seconds. Raises StageFailed."""
    deadline = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > deadline:
            raise StageFailed(f"not within {seconds} s: {what}")
        await asyncio.sleep(step)


async def _is_there(path: Path) -> bool:
    return path.exists()


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port
