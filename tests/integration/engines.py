"""What tests of containers share: runs of jobs on a real engine."""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from runner.engine import ContainerSpec, Engine, Outcome
from tests import images
from tests.running import until

SOCKET = "/var/run/docker.sock"
MIB = 1024 * 1024


class Try:
    """One run of one job, and what its log was told."""

    def __init__(self, engine: Engine, script: str = "", *, job: str, run: str = "1", **spec: Any) -> None:
        self.engine = engine
        self.job, self.name = job, run
        self.spec = ContainerSpec(image=images.BUSYBOX, command=["sh", "-c", script])
        self.spec = msgspec.structs.replace(self.spec, **spec)
        self.stop = asyncio.Event()
        self.lines: list[tuple[str, str]] = []
        self.stamps: list[str] = []

    async def run(self, *, timeout: float = 0, since: str = "") -> Outcome:
        return await self.engine.run(
            self.job, self.name, self.spec, timeout=timeout, stop=self.stop, log=self._log, since=since
        )

    async def _log(self, stream: str, text: str, stamp: str) -> None:
        self.lines.append((stream, text))
        self.stamps.append(stamp)

    def begin(self, **options: Any) -> asyncio.Task[Outcome]:
        return asyncio.create_task(self.run(**options))

    @property
    def text(self) -> str:
        return "".join(text for _, text in self.lines)

    async def says(self, text: str) -> None:
        async def said() -> bool:
            return text in self.text

        await until(said, f"the log has {text!r}", 30)


def docker(*arguments: str) -> str:
    command = ["docker", "--host", f"unix://{SOCKET}", *arguments]  # also where a test leads the engine astray
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def containers_of(job: str) -> list[str]:
    return docker("ps", "-aq", "--filter", f"label=duestream.job={job}").split()


@contextlib.asynccontextmanager
async def an_engine(**options: Any) -> AsyncIterator[Engine]:
    engine = Engine(**{"threads": 4, "images": [], "grace": 10.0, **options})
    try:
        yield engine
    finally:
        await engine.close()
