"""A peer's program while it runs: its log, the record of its jobs' starts, its end."""

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.peers.environments import Environment
from duestream import embedded

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "programs"
PACKAGE = "benchmarks.peers.programs"
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")  # of our environment variables


class PeerFailed(Exception):
    """A peer's program ended, or what must come did not."""


class Starts:
    """The file where workers note when jobs start."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[tuple[float, float]]:
        """Of each start: when it was, and when it was due. Sorted."""
        try:
            lines = self.path.read_text().splitlines(keepends=True)
        except FileNotFoundError:
            return []
        return sorted(_start(line) for line in lines if line.endswith("\n"))


def _start(line: str) -> tuple[float, float]:
    at, due = line.split()
    return float(at), float(due)


class Running:
    """One process with its children."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log

    def check(self) -> None:
        """Raises PeerFailed where it has ended."""
        if self._process.returncode is not None:
            raise PeerFailed(f"{self.name} ended with status {self._process.returncode}:\n{self._end()}")

    def _end(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]

    async def over(self, seconds: float) -> str:
        """Wait for its good end; what it printed last. Raises PeerFailed."""
        try:
            async with asyncio.timeout(seconds):
                status = await self._process.wait()
        except TimeoutError:
            raise PeerFailed(f"{self.name} did not end within {seconds:.0f} s:\n{self._end()}") from None
        said = self._end()
        if status or not said.strip():
            raise PeerFailed(f"{self.name} ended with status {status}:\n{said}")
        return said.strip().splitlines()[-1]

    async def kill(self) -> None:
        """As `kill -9`, its children too."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()


@asynccontextmanager
async def running(environment: Environment, program: str, words: list[str], starts: Starts) -> AsyncIterator[Running]:
    """Run a program until the block is left; it ends with us, however that goes."""
    variables = {name: os.environ[name] for name in KEPT if name in os.environ}
    variables |= {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "PEER_STARTS": str(starts.path)}
    if environment.node:
        variables |= {"PEER_MODULES": str(environment.modules), "NODE_ENV": "production"}
    with tempfile.TemporaryDirectory(prefix="duestream-peer-") as directory:
        log = Path(directory) / "log"
        with log.open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                *environment.command(PROGRAMS / program, PACKAGE),
                *words,
                cwd=directory,
                env=variables,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=embedded.with_parent(),
            )
        this = Running(f"{environment.name} {words[0]}", process, log)
        try:
            yield this
        finally:
            await this.kill()
