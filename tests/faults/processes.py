"""Real processes on a real server, which can be killed, stalled and started again at any moment."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.running import until
from tests.stores import Store, free_port

STARTING = 60.0  # seconds that a process may take to begin, on a machine that has much else to do
ROOT = Path(__file__).parents[2]


def environment(**settings: str) -> dict[str, str]:
    """This environment with these settings, by their names in lower case, and none of the tests' own."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("DUESTREAM_")}
    return {**others, **{f"DUESTREAM_{name.upper()}": value for name, value in settings.items()}}


class Process:
    """One process of a role, `python -m <role>`; after its death it may be started anew."""

    def __init__(self, role: str, env: dict[str, str], log: Path, url: str = "") -> None:
        self.role = role
        self.url = url
        self.log = log
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self.role], cwd=ROOT, env=self._env, stdout=log, stderr=log
            )

    @property
    def pid(self) -> int:
        """Of its last start."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """kill -9"""
        self._signal(signal.SIGKILL)
        self._ended()

    def stall(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    async def leave(self) -> int:
        """SIGTERM; the status with which it then ends."""
        self._signal(signal.SIGTERM)
        return await asyncio.to_thread(self._ended)

    def lives(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _ended(self) -> int:
        assert self._process is not None
        return self._process.wait(20)

    def discard(self) -> None:
        if self.lives():
            self.kill()


class House:
    """The processes on one store."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self._folder = folder
        self._processes: list[Process] = []

    async def start(self, *roles: str, **settings: str) -> list[Process]:
        """A process of each role, once each of them has begun its work."""
        started = []
        for role in roles:
            port = free_port() if role == "api" else 8888
            env = environment(
                redis_url=self.store.url, shards=str(self.store.shards), port=str(port), drain="5s", **settings
            )
            log = self._folder / f"{len(self._processes)}-{role}.log"
            process = Process(role, env, log, f"http://127.0.0.1:{port}" if role == "api" else "")
            self._processes.append(process)
            started.append(process)
            process.start()
        for process in started:
            await self.begun(process)
        return started

    async def begun(self, process: Process, times: int = 1) -> None:
        """Wait until a process that was started so many times is at work."""
        words = {"api": b": listening", "projector": b": projecting", "scheduler": b": scheduling"}
        word = {**words, "runner": b": running jobs"}[process.role]

        async def said() -> bool:
            assert process.lives(), process.log.read_text()
            return process.log.read_bytes().count(word) >= times

        await until(said, f"the {process.role} is at work", STARTING)

    def of(self, *roles: str) -> list[Process]:
        return [process for process in self._processes if process.role in roles]

    def discard(self) -> None:
        """Kill what is left, and show what all of them said, which pytest prints where a test fails."""
        for process in self._processes:
            process.discard()
            print(f"--- {process.log.name}\n{process.log.read_text()[-3000:]}")
