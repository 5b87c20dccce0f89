"""Run the containers of jobs, keep what they put out, and remove them once their end is on the journal."""

import asyncio
import logging
from collections.abc import Sequence

from duestream import keys as all_keys
from duestream.containers import Outcome
from duestream.errors import Unavailable
from duestream.events import Event
from duestream.jobs import Ended, JobFailed, JobStopped, JobSucceeded
from duestream.keys import Keys, shard_of
from duestream.lifecycle import unless_stopped, wait
from duestream.server import Server
from runner.ends import Ends
from runner.engine import Engine, EngineAway
from runner.handling import failed
from runner.slots import Held, Slots

log = logging.getLogger("duestream.runner")

AGAIN = 2.0  # seconds until an engine that was away is asked again
PIECE = 16 * 1024  # characters of a log that are written at once
CLEAN = 60.0  # seconds between looks for containers that nobody needs
PATIENCE = 5.0


class Containing:
    """The worker for container jobs. deployment: what tells our containers from those of others on the engine."""

    def __init__(
        self, server: Server, engine: Engine, watch: "EngineWatch", ends: Ends, slots: Slots, *, deployment: str,
        keep: int, log_limit: int,
    ) -> None:  # fmt: skip
        self._server = server
        self._engine = engine
        self._watch = watch
        self._ends = ends
        self._slots = slots
        self._deployment = deployment
        self._keep = keep
        self._log_limit = log_limit
        self._removing: set[asyncio.Task[None]] = set()

    async def able(self) -> bool:
        return await self._watch.look()

    def begin(self, held: Held) -> None:
        held.stop = asyncio.Event()
        held.after = lambda: self._remove(held)
        held.task = asyncio.get_running_loop().create_task(self._run(held))

    async def _run(self, held: Held) -> None:
        while not held.ended:
            try:
                event = self._end(held, await self._outcome(held))
            except EngineAway as error:  # the container may be running: nobody else must start it meanwhile
                log.warning("waiting for the engine", extra={"id": held.id, "reason": str(error)})
                await asyncio.sleep(AGAIN)
                continue
            except Unavailable as error:
                log.warning("waiting for Redis", extra={"id": held.id, "reason": str(error)})
                await asyncio.sleep(AGAIN)
                continue
            except Exception as error:
                log.exception("a container could not be run", extra={"id": held.id})
                event = failed(held, f"the runner failed: {type(error).__name__}: {error}", self._keep)
            if not held.ended:
                self._ends.put(held, self._slots, event)

    async def _outcome(self, held: Held) -> Outcome:
        work, stop, keys = held.work, held.stop, held.ready.keys
        assert work.container is not None
        assert stop is not None
        step = max(1, min(PIECE, self._log_limit // 4))

        async def keep(source: str, text: str, stamp: str) -> None:
            pieces: list[str | int] = [held.id, held.attempt, self._log_limit]
            for start in range(0, len(text), step):
                pieces += (source, stamp, text[start : start + step])
            await self._server.run("write_log", [keys.log(held.id), keys.heads("jobs")], pieces, patience=PATIENCE)

        since = await self._since(held)
        return await self._engine.run(
            held.id, run_of(self._deployment, held), work.container, timeout=work.timeout, stop=stop, log=keep,
            attempt=held.attempt, since=since,
        )  # fmt: skip

    async def _since(self, held: Held) -> str:
        """The newest stamp of this run's log; a run before it may have had an engine whose clock is ahead."""
        stream = held.ready.keys.log(held.id)
        last = await self._server.call("XREVRANGE", stream, "+", "-", "COUNT", 1, patience=PATIENCE)
        return str(last[0][1][5]) if last and int(last[0][1][1]) >= held.ready.attempt else ""

    def _end(self, held: Held, outcome: Outcome) -> Event:
        about = Ended(held.attempt, outcome.exit_code, outcome.oom_killed, outcome.image_digest, dict(outcome.limits))
        known = {name: getattr(about, name) for name in Ended.__struct_fields__}
        if outcome.canceled:
            return JobStopped(**known, keep=self._keep, webhook=held.work.webhook)
        if not outcome.error:
            return JobSucceeded(**known, keep=self._keep, webhook=held.work.webhook)
        assert held.stop is not None
        if held.stop.is_set():  # it is being canceled: there is no further attempt
            return JobFailed(**known, error=outcome.error, keep=self._keep, webhook=held.work.webhook)
        return failed(held, outcome.error, self._keep, about)

    def _remove(self, held: Held) -> None:
        task = asyncio.get_running_loop().create_task(self._removed(held.id, run_of(self._deployment, held)))
        self._removing.add(task)
        task.add_done_callback(self._removing.discard)

    async def _removed(self, id: str, run: str) -> None:
        try:
            await self._engine.remove(id, run)
        except EngineAway:
            log.info("left a container to be removed later", extra={"id": id})

    def let_go(self) -> None:
        """Stop attending to what is running. The containers go on; whoever takes their jobs over adopts them."""
        for held in list(self._slots.held.values()):
            if not held.ended and held.task is not None:
                held.ended, held.left, held.after = True, True, None
                held.task.cancel()

    async def close(self) -> None:
        """Let removals that are under way end."""
        if self._removing:
            await asyncio.wait(self._removing, timeout=PATIENCE)
        await self._engine.close()


def run_of(deployment: str, held: Held) -> str:
    """The name of a run: the attempts of one entry of a ready stream, which go on with one container."""
    return f"{deployment}-{held.ready.keys.shard}-{held.ready.entry}"


class EngineWatch:
    """A duty: know whether the engine answers, take no jobs where it does not, and tell readiness."""

    def __init__(self, server: Server, engine: Engine, slots: Slots, name: str, stop: asyncio.Event) -> None:
        self._server = server
        self._engine = engine
        self._slots = slots
        self._name = name
        self._stop = stop
        self.there = asyncio.Event()
        self._said = ""

    async def once(self) -> None:
        await self.look()
        away = "" if self.there.is_set() else "no Docker engine answers"
        if away != self._said:
            if away:
                await self._server.call("HSET", all_keys.engines(), self._name, away)
            else:
                await self._server.call("HDEL", all_keys.engines(), self._name)
            self._said = away
        await wait(self._stop, AGAIN)

    async def look(self) -> bool:
        """Whether the engine answers now."""
        there = await self._engine.available()
        if not there and (self.there.is_set() or not self._said):
            log.warning("no Docker engine answers: jobs with containers wait")
        if there:
            self.there.set()
        else:
            self.there.clear()
        self._slots.shut(not there)
        return there


class Cleaning:
    """A duty: remove containers whose runner died after their end was written down."""

    def __init__(
        self, server: Server, engine: Engine, watch: EngineWatch, shards: Sequence[Keys], stop: asyncio.Event, *,
        deployment: str,
    ) -> None:  # fmt: skip
        self._server = server
        self._engine = engine
        self._watch = watch
        self._shards = shards
        self._stop = stop
        self._deployment = deployment

    async def once(self) -> None:
        if not await unless_stopped(self._watch.there.wait(), self._stop):
            return
        try:
            await self.clean()
        except EngineAway as error:
            log.info("the engine went away", extra={"reason": str(error)})
        await wait(self._stop, CLEAN)

    async def clean(self) -> None:
        """Look at every container of a job, and remove those that no living job is run by."""
        ours: dict[Keys, list[tuple[str, str, str]]] = {}
        for id, run in await self._engine.leftovers():
            deployment, _, rest = run.partition("-")
            _, _, entry = rest.partition("-")
            if deployment == self._deployment and entry:  # else another's, who has the same engine
                keys = self._shards[shard_of("jobs", id, len(self._shards))]
                ours.setdefault(keys, []).append((id, run, entry))
        for keys, runs in ours.items():
            heads = await self._server.call("HMGET", keys.heads("jobs"), *(id for id, _, _ in runs))
            for (id, run, entry), head in zip(runs, heads, strict=True):
                if head is None or not head.endswith(f" {entry}"):
                    log.info("removed a container that was left", extra={"id": id})
                    await self._engine.remove(id, run)
