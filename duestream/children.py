"""Child processes that are kept running."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence

from duestream.embedded import with_parent
from duestream.options import REFUSED

log = logging.getLogger("duestream.up")

LIVED_LONG = 10.0  # seconds after which a death counts as the first again
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0


class Child:
    """One process that runs until `end`, started again whenever it dies; `stop` is set where that does not help."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        stop: asyncio.Event,
        *,
        env: Mapping[str, str] | None = None,
        keep_open: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.gave_up = False
        self._command = command
        self._stop = stop
        self._env = env
        self._keep_open = keep_open
        self._process: asyncio.subprocess.Process | None = None
        self._ending = asyncio.Event()
        self._death = asyncio.Event()
        self._patience = 0.0
        self._keeping: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        self._keeping = asyncio.create_task(self._keep())

    async def died(self) -> None:
        """Wait until it has died for the first time."""
        await self._death.wait()

    async def end(self, patience: float) -> None:
        """Have it drain and stop; kill it where that takes too long (seconds)."""
        self._patience = patience
        self._ending.set()
        if self._keeping is not None:
            await self._keeping

    async def _keep(self) -> None:
        clock = asyncio.get_running_loop().time
        pause = FIRST_PAUSE
        while not self._ending.is_set():
            started = clock()
            process = self._process = await self._spawn()
            if not await self._finished(process, None):
                await self._drain(process)
                return
            self._death.set()
            if process.returncode == REFUSED:
                log.error("gave up", extra={"child": self.name, "status": process.returncode})
                self.gave_up = True
                self._stop.set()
                return
            pause = FIRST_PAUSE if clock() - started > LIVED_LONG else pause
            about = {"child": self.name, "pid": process.pid, "status": process.returncode, "in_seconds": pause}
            log.warning("ended, starting it again", extra=about)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._ending.wait()
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _spawn(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *self._command,
            env=self._env,
            start_new_session=True,
            preexec_fn=with_parent(),
            pass_fds=self._keep_open,
        )
        log.debug("started", extra={"child": self.name, "pid": process.pid})
        return process

    async def _finished(self, process: asyncio.subprocess.Process, patience: float | None) -> bool:
        """Wait for its end: for `patience` seconds, or (None) until it is to end."""
        dying = asyncio.create_task(process.wait())
        ending = asyncio.create_task(self._ending.wait())
        awaited = (dying, ending) if patience is None else (dying,)
        await asyncio.wait(awaited, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        done = dying.done()
        for task in (dying, ending):
            task.cancel()
        return done

    async def _drain(self, process: asyncio.subprocess.Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        if not await self._finished(process, self._patience):
            log.warning("killed: it did not stop in time", extra={"child": self.name})
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
