"""Another queue, measured as ours is: by what its users would see."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from math import inf
from pathlib import Path

import msgspec
from redis.asyncio import Redis

from benchmarks.peers.environments import Environment, Missing
from benchmarks.peers.results import Results
from benchmarks.peers.running import PeerFailed, Running, Starts, running

PUTTING = 120.0  # seconds that submissions may take
STARTING = 40.0  # until the first job starts
DRAINING = 180.0
LOOK = 0.004  # seconds between looks at the results
CONNECTIONS = 19_000  # that the store must take where a worker takes one per job


class Peer(msgspec.Struct, frozen=True):
    """One of them. Every figure is taken on a store that is emptied first.

    A worker is one process (celery's: one parent and one child). Its clock starts when the first job does, and stops
    when the last result stands in its own result store; all of them must be results of success.
    """

    environment: Environment
    program: str
    results: Results

    @property
    def name(self) -> str:
        return self.environment.name

    @property
    def version(self) -> str:
        return self.environment.version

    async def missing(self) -> str | None:
        """Why it cannot be had here; None where it is installed, if need be only now."""
        try:
            await self.environment.make()
        except Missing as reason:
            return str(reason)
        return None

    async def submit(self, url: str, count: int) -> float:
        """Jobs per second that one process puts on the queue, in bulk where there is a bulk call."""
        async with self._stage(url) as stage:
            return await stage.put("submit", count)

    async def drain(self, url: str, count: int) -> float:
        """Jobs per second of one worker that finds so many no-op jobs waiting."""
        async with self._stage(url) as stage:
            await stage.put("put", count)
            return count / await stage.work(count, at_once=0)

    async def sleepers(self, url: str, count: int, seconds: float) -> float:
        """Seconds that one worker takes for jobs which each sleep, all at once if it can."""
        async with self._stage(url) as stage:
            await stage.put("put", count, seconds)
            return await stage.work(count, at_once=count)

    async def lateness(self, url: str, count: int, within: float = 10.0) -> list[float]:
        """Milliseconds after its due time that each of `count` jobs starts, which fall due within so many seconds."""
        async with self._stage(url) as stage, stage.worker(at_once=100) as worker:
            await stage.put("put", 1)
            await stage.succeeded(1, worker, STARTING)  # it works
            await stage.put("put", count, 0, within)
            await stage.succeeded(count + 1, worker, within + STARTING, step=0.1)
            return [(at - due) * 1000 for at, due in stage.starts.read() if due]

    async def after_kill(self, url: str, jobs: int = 20, seconds: float = 3.0, patience: float = 90.0) -> float:
        """Seconds from the `kill -9` of a worker at work on all the jobs, with the next one started at once, until all
        are done; infinite where they are not within `patience`.
        """
        async with self._stage(url) as stage:
            await stage.put("put", jobs, seconds)
            async with stage.worker(at_once=jobs) as worker:
                await stage.started(jobs, worker)
                killed = time.monotonic()
                await worker.kill()
            async with stage.worker(at_once=jobs) as worker:
                try:
                    await stage.succeeded(jobs, worker, patience, step=0.05)
                except TimeoutError:
                    return inf
                return time.monotonic() - killed

    @asynccontextmanager
    async def _stage(self, url: str) -> AsyncIterator["_Stage"]:
        await self.environment.make()
        with tempfile.TemporaryDirectory(prefix="duestream-peer-") as directory:
            async with Redis.from_url(url, db=self.results.database) as store:
                await store.flushall()
                await store.config_set("maxclients", CONNECTIONS)
                yield _Stage(self, url, store, Starts(Path(directory) / "starts"))


class _Stage:
    """An empty store, and a peer to play on it."""

    def __init__(self, peer: Peer, url: str, store: Redis, starts: Starts) -> None:
        self.starts = starts
        self._peer = peer
        self._url = url
        self._store = store

    async def put(self, command: str, count: int, seconds: float = 0, within: float = 0) -> float:
        """Put jobs; how many per second."""
        words = [command, self._url, str(count), str(seconds), str(within)]
        async with running(self._peer.environment, self._peer.program, words, self.starts) as program:
            return float(await program.over(PUTTING))

    def worker(self, *, at_once: int) -> AbstractAsyncContextManager[Running]:
        words = ["work", self._url, str(at_once)]
        return running(self._peer.environment, self._peer.program, words, self.starts)

    async def work(self, count: int, *, at_once: int) -> float:
        """Have a worker do all; the seconds from the first start to the last result."""
        async with self.worker(at_once=at_once) as worker:
            await self.started(1, worker)

            async def over() -> bool:
                return await self._peer.results.done(self._store, count) >= count

            try:
                await _until(over, worker, DRAINING, LOOK)
            except TimeoutError:
                done = await self._peer.results.done(self._store, count)
                raise PeerFailed(f"{self._peer.name}: {done} of {count} within {DRAINING:.0f} s") from None
            took = time.time() - self.starts.read()[0][0]
        found = await self._peer.results.succeeded(self._store)
        if found < count:
            raise PeerFailed(f"{self._peer.name} was done with {count} jobs, {found} of them with success")
        return took

    async def started(self, count: int, worker: Running) -> None:
        """Wait until so many starts are noted."""

        async def begun() -> bool:
            return len(self.starts.read()) >= count

        try:
            await _until(begun, worker, STARTING, LOOK)
        except TimeoutError:
            raise PeerFailed(f"{self._peer.name} started {len(self.starts.read())} jobs of {count}") from None

    async def succeeded(self, count: int, worker: Running, seconds: float, step: float = LOOK) -> None:
        """Wait until so many results of success stand. Raises TimeoutError."""

        async def over() -> bool:
            return await self._peer.results.succeeded(self._store) >= count

        await _until(over, worker, seconds, step)


async def _until(condition: Callable[[], Awaitable[bool]], worker: Running, seconds: float, step: float) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            worker.check()
            await asyncio.sleep(step)
