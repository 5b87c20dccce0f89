"""One runner process: handlers and containers, of the queues that it serves, in every shard."""

import asyncio
import contextlib
import logging
import os

from duestream import handlers, keys
from duestream.errors import Unavailable
from duestream.instants import span
from duestream.jobs import CONTAINERS, OVER, STEPS
from duestream.journal import Journal
from duestream.lifecycle import Duty, process_name, serving, until_stopped
from duestream.settings import Settings
from runner.containing import Cleaning, Containing, EngineWatch
from runner.ends import Ends
from runner.engine import Engine
from runner.halts import Halts
from runner.handling import Handling
from runner.intake import Intake
from runner.leases import Leases
from runner.progress import Progress
from runner.slots import Slots
from runner.starting import Starting, Worker

log = logging.getLogger("duestream.runner")

WRITTEN = 5.0  # seconds to write down the last ends


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Run jobs until the stop; then let them end, for as long as may be, and hand back those that do not."""
    handlers.load(settings.handler_modules)
    name = process_name("runner")
    async with serving(settings, name, stop) as server:
        journal = Journal(server, "jobs", STEPS, shards=settings.shards, process=name, over=OVER)
        await Runner(settings, journal, name, stop).run()
        log.info("stopped", extra={"worker": name})


class Runner:
    """The parts of one runner, and the order in which they stop."""

    def __init__(self, settings: Settings, journal: Journal, name: str, stop: asyncio.Event) -> None:
        self._settings = settings
        self._server = journal.server
        self._journal = journal
        self._name = name
        self._stop = stop
        self._done = asyncio.Event()  # what must go on until the last end is written
        ends = Journal(  # with calls of its own, so that starts and ends do not wait for each other
            self._server, "jobs", STEPS, shards=settings.shards, process=f"{name}:ends", over=OVER
        )
        self._ends = Ends(ends, name, self._done, keep=settings.keep)
        self._intakes: list[Intake] = []
        self._leases: list[Leases] = []
        grace = span(settings.container_grace).total_seconds()
        self._engine = Engine(threads=max(1, settings.containers), images=settings.image_patterns, grace=grace)

    async def run(self) -> None:
        """Everything, until the stop."""
        settings = self._settings
        payloads, containers = Slots(settings.concurrency), Slots(settings.containers)
        handling = Handling(self._ends, payloads, threads=settings.threads, keep=settings.keep)
        deployment = await self._server.patiently(self._deployment, 30)
        watch = EngineWatch(self._server, self._engine, containers, self._name, self._stop)
        containing = Containing(
            self._server, self._engine, watch, self._ends, containers,
            deployment=deployment, keep=settings.keep, log_limit=settings.log_limit,
        )  # fmt: skip
        background: list[Duty] = [self._ends, Progress(self._journal, payloads, self._name, self._done)]
        for each in self._journal.shards:
            halts = Halts(self._server, each, [payloads, containers], self._done)
            await self._server.patiently(halts.join, 30)
            background.append(halts)
            if payloads.size:
                self._intakes.append(await self._take(each, settings.queue_names, payloads, handling))
            if containers.size:
                queues = [f"{queue}{CONTAINERS}" for queue in settings.queue_names]
                self._intakes.append(await self._take(each, queues, containers, containing))
        foreground: list[Duty] = [*self._intakes]
        if containers.size:
            shards = self._journal.shards
            cleaning = Cleaning(self._server, self._engine, watch, shards, self._stop, deployment=deployment)
            foreground += [watch, cleaning]
        log.info("running jobs", extra={"worker": self._name, "queues": settings.queues})
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(until_stopped([*background, *self._leases], self._done, 2.0))
                group.create_task(self._until_drained(foreground, payloads, containers, handling, containing))
        finally:
            handling.close()
            await containing.close()
            with contextlib.suppress(Unavailable):
                await self._server.call("HDEL", keys.engines(), self._name)

    async def _take(self, each: keys.Keys, queues: list[str], slots: Slots, worker: Worker) -> Intake:
        settings = self._settings
        starting = Starting(self._journal, slots, worker, self._name, keep=settings.keep, losses=settings.job_losses)
        lease_ms = int(span(settings.job_lease).total_seconds() * 1000)
        intake = Intake(self._server, each, queues, slots, starting, self._name, self._stop, lease_ms=lease_ms)
        await self._server.patiently(intake.join, 30)
        self._leases += [
            Leases(self._server, each, queue, slots, starting, self._name, self._stop, self._done, lease_ms=lease_ms)
            for queue in queues
        ]
        return intake

    async def _deployment(self) -> str:
        """What tells our containers from those of others: kept with the data."""
        await self._server.call("HSETNX", keys.meta(), "deployment", os.urandom(4).hex())
        return str(await self._server.call("HGET", keys.meta(), "deployment"))

    async def _until_drained(
        self, foreground: list[Duty], payloads: Slots, containers: Slots, handling: Handling, containing: Containing
    ) -> None:
        try:
            await until_stopped(foreground, self._stop, 2.0)
            ending = asyncio.create_task(payloads.empty())
            await asyncio.wait((ending,), timeout=self._settings.drain_seconds)
            ending.cancel()
            handling.release()
            containing.let_go()
            async with asyncio.timeout(WRITTEN):
                await self._ends.written()  # first: nobody is to do again what is done
                for leases in self._leases:
                    await leases.hand_over()
        except (TimeoutError, Unavailable):
            log.warning(
                "stopped before all ends were written", extra={"jobs": len(payloads.held) + len(containers.held)}
            )
        finally:
            self._done.set()
