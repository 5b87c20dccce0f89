"""Run containers on a Docker engine: one for each run of a job, whichever runner is at it.

What may happen to a run, and what becomes of it:

| what | what becomes of it |
|---|---|
| its runner dies, or hands over by canceling the task | the container goes on; the next runner adopts it |
| two runners at once | the container's name lets one of them create it; the other adopts it |
| the runner dies between creating and starting | the next one starts it |
| the container ends while nobody looks | exit code and log are read when somebody does |
| the engine is silent or gone | for `PATIENCE` seconds it may come back; then EngineAway: nothing is known |
| the container outlasts its time, or is to stop | SIGTERM, the grace time, SIGKILL; log and exit code are kept |

A container is followed by reading its log, which ends when the container does. Each read is bounded by a time limit,
after which the container is looked at and the log asked for again.
"""

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from duestream.containers import ContainerSpec, Outcome
from runner import containers, images
from runner.client import EngineAway, Pool, Stream
from runner.containers import NotRun, State
from runner.output import Line, Output

__all__ = ["ContainerSpec", "Engine", "EngineAway", "Outcome"]

Log = Callable[[str, str, str], Awaitable[None]]
T = TypeVar("T")

CONTROLS = 8  # threads for what must not wait behind the reading of logs
PATIENCE = 30.0  # seconds
ANSWER = 3  # seconds
PAUSE = 0.1  # before a log that has just ended is asked for again
KILLED = 137  # 128 + SIGKILL
TRIES = 5  # to read the log of a container that has ended, where the engine breaks off


class Engine:
    """The Docker engine that the environment names.

    threads: how many containers run at once; further ones wait for a thread now and then. images: glob patterns, of
    which one must admit an image; none admits all. grace: seconds between SIGTERM and SIGKILL.
    """

    def __init__(self, *, threads: int, images: Sequence[str], grace: float) -> None:
        self._patterns = list(images)
        self._grace = grace
        self._work = Pool(threads, "containers")
        self._control = Pool(CONTROLS, "engine")

    async def run(
        self, job: str, run: str, spec: ContainerSpec, *, timeout: float, stop: asyncio.Event, log: Log,
        attempt: int = 1, since: str = "",
    ) -> Outcome:  # fmt: skip
        """Run the container of this run to its end, or go on with it. The container stays; see `remove`.

        timeout: seconds from its start, 0 for none. stop: once set, the container is stopped, or not started.
        log: called with each line's stream (stdout or stderr), text (with its newline) and stamp, in order; the next
        line waits until it returns. since: the newest stamp that is known already, where another runner was at it.
        Raises EngineAway. If the task is canceled, the container goes on.
        """
        state: State | None = None
        try:
            state = await self._work.call(containers.adopt, job, run)
            ended = state is not None and state.begun and not state.running
            if state is None or not state.begun:
                await self._not_if(stop)
                images.refuse(spec, self._patterns)
            if state is None:
                image = await self._image(spec, stop)
                state = await self._work.call(containers.obtain, job, run, attempt, spec=spec, image=image)
                await self._not_if(stop)
            if state.begun:
                left = await self._left(state, timeout)
            else:
                state = await self._work.call(containers.start, state.id)
                left = timeout or math.inf
            final, why = await self._attend(state, left, stop, _Sink(log, since))
        except NotRun as reason:
            return await self._not_run(state, reason)
        if ended and stop.is_set():
            why = "canceled"  # who stopped it did not live to say so
        elif ended and timeout and _seconds(final.started, final.finished) > timeout:
            why = "timed out"
        return await self._ended(final, why, timeout)

    async def remove(self, job: str, run: str = "") -> None:
        """Remove the containers of a job, of one run or all, also running ones; none is no error. Raises EngineAway."""
        await self._control.call(containers.remove, job, run)

    async def leftovers(self) -> list[tuple[str, str]]:
        """The job and run of each container that a runner has left on this engine. Raises EngineAway."""
        return await self._control.call(containers.leftovers)

    async def available(self) -> bool:
        """Whether the engine answers, within a few seconds."""
        try:
            await asyncio.wait_for(self._control.call(containers.answers, ANSWER), ANSWER)
        except (EngineAway, TimeoutError):
            return False
        return True

    async def close(self) -> None:
        """Let go of the engine. What runs there goes on."""
        await asyncio.gather(self._work.close(), self._control.close())

    # --- before the start ---

    async def _not_if(self, stop: asyncio.Event) -> None:
        if stop.is_set():
            raise NotRun("canceled before it started", canceled=True)

    async def _image(self, spec: ContainerSpec, stop: asyncio.Event) -> str:
        """The image's id, fetched if need be, unless `stop` is set in the meantime."""
        pulled = images.pulling(spec.image)
        fetching = asyncio.ensure_future(self._work.call(images.ensure, spec, pulled))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({fetching, stopping}, return_when=asyncio.FIRST_COMPLETED)
            await self._not_if(stop)
            return await fetching
        finally:
            pulled.close()
            await _end(fetching, stopping)

    # --- from the start to the end ---

    async def _left(self, state: State, timeout: float) -> float:
        """How long a container that was found running may go on, by the engine's clock."""
        if not timeout or not state.running:
            return math.inf
        return timeout - _seconds(state.started, await self._work.call(containers.clock))

    async def _attend(self, state: State, left: float, stop: asyncio.Event, sink: "_Sink") -> tuple[State, str]:
        """Follow a container to its end, and bring it about if it must be. Returns why it was stopped, "" if not."""
        following = asyncio.create_task(self._follow(state.id, sink))
        stopping = asyncio.create_task(stop.wait())
        why = ""
        try:
            limit = None if math.isinf(left) else max(0.0, left)
            await asyncio.wait({following, stopping}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if not following.done():
                why = "canceled" if stop.is_set() else "timed out"
                if not await self._stop(state.id, following):
                    why = ""  # it has ended by itself
            return await following, why
        finally:
            await _end(following, stopping)

    async def _follow(self, id: str, sink: "_Sink") -> State:
        """Read a container's log until it has ended and the log is read. Returns its last state."""
        tries = 0
        while True:
            state = await _patiently(lambda: self._work.call(containers.inspect, id))
            if state is None:
                raise NotRun("the container is gone")
            whole = await self._read(id, sink, follow=state.running)
            if not state.running:
                tries += 1
                if whole or tries == TRIES:
                    return state
            await asyncio.sleep(PAUSE)

    async def _read(self, id: str, sink: "_Sink", *, follow: bool) -> bool:
        """Read a container's log to its end, or to where the engine breaks off: False."""
        since = sink.output.since
        stream = Stream(lambda client: client.log(id, since=since, follow=follow))
        sink.output.again()
        try:
            while data := await self._work.call(stream.read):
                await sink.take(sink.output.feed(data))
            if not follow:
                await sink.take(sink.output.rest())
        except EngineAway:
            return False
        finally:
            stream.close()
        return True

    async def _stop(self, id: str, following: asyncio.Task[State]) -> bool:
        """SIGTERM, the grace time, SIGKILL, and wait for its end. False: it had ended before."""
        sent = await self._signal(id, "SIGTERM", following)
        await asyncio.wait({following}, timeout=self._grace if sent else 0)
        if sent and not following.done():
            await self._signal(id, "SIGKILL", following)
        await asyncio.wait({following}, timeout=2 * PATIENCE)
        if not following.done():
            raise EngineAway("the container does not end")
        return sent

    async def _signal(self, id: str, name: str, following: asyncio.Task[State]) -> bool:
        async def send() -> bool:
            return not following.done() and await self._control.call(containers.signal, id, name)

        return await _patiently(send)

    # --- after the end ---

    async def _ended(self, state: State, why: str, timeout: float) -> Outcome:
        if why:
            error = f"timed out after {timeout:g} s" if why == "timed out" else why
        elif state.oom_killed and state.exit_code:
            error = "killed: out of memory"
        else:
            error = f"exit code {state.exit_code}" if state.exit_code else ""
            if state.exit_code == KILLED:  # engines miss some, mostly where a container ends just as it is killed
                error += " (killed, perhaps out of memory)"
            error += f": {state.error}" if error and state.error else ""
        return Outcome(
            exit_code=state.exit_code,
            oom_killed=state.oom_killed,
            image_digest=await self._digest(state),
            error=error,
            started=state.started,
            finished=state.finished,
            timed_out=why == "timed out",
            canceled=why == "canceled",
            limits=state.limits,
        )

    async def _not_run(self, state: State | None, reason: NotRun) -> Outcome:
        if state is None:
            return Outcome(error=str(reason), canceled=reason.canceled)
        digest = await self._digest(state)
        return Outcome(error=str(reason), canceled=reason.canceled, image_digest=digest, limits=state.limits)

    async def _digest(self, state: State) -> str:
        return await _patiently(lambda: self._work.call(images.digest, state.image))


class _Sink:
    """Where a container's lines go, each once."""

    def __init__(self, log: Log, since: str) -> None:
        self.output = Output(since)
        self._log = log

    async def take(self, lines: list[Line]) -> None:
        for stream, text, stamp in lines:
            await self._log(stream, text, stamp)


async def _patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Call until the engine answers, for `PATIENCE` seconds."""
    loop = asyncio.get_running_loop()
    until = loop.time() + PATIENCE
    while True:
        try:
            return await call()
        except EngineAway:
            if loop.time() > until:
                raise
        await asyncio.sleep(5 * PAUSE)


async def _end(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _seconds(start: str, end: str) -> float:
    with contextlib.suppress(ValueError):
        return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    return 0.0
