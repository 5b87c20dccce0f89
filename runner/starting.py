"""Start jobs that are ready: their starts go to the journal in one call, and what was accepted is put to work."""

import logging
from collections.abc import Sequence
from typing import Protocol

import msgspec

from duestream import instants
from duestream.clock import now_ms
from duestream.errors import Refused
from duestream.events import Event, Transition
from duestream.handlers import Context
from duestream.jobs import CANCELING, RUNNING, JobFailed, JobMissed, JobStarted, JobTakenOver, Work
from duestream.journal import RUNNERS, Journal
from runner.slots import Held, Ready, Slots, origin_of

log = logging.getLogger("duestream.runner")

_decode = msgspec.json.Decoder(Work).decode


class Worker(Protocol):
    """Has the work of a job done; it puts the end among the `Ends`."""

    def begin(self, held: Held) -> None:
        """Begin, and return at once."""


class Starting:
    """How one runner starts jobs of one sort."""

    def __init__(self, journal: Journal, slots: Slots, worker: Worker, name: str, *, keep: int, losses: int) -> None:
        self._journal = journal
        self._server = journal.server
        self._slots = slots
        self._worker = worker
        self._name = name
        self._keep = keep
        self._losses = losses

    async def start(self, chunk: Sequence[Ready]) -> list[tuple[Ready, Refused]]:
        """Start jobs that nobody has started; those that were refused, though this entry is still theirs."""
        now, known = now_ms(), []
        transitions: list[Transition] = []
        for ready in chunk:
            work = _understood(ready)
            known.append(work)
            transitions.append(
                Transition(self._first(ready, work, now), ready.id, 0, ready.attempt, "", ready.queue, ready.entry)
            )
        outcomes = await self._journal.append_each(origin_of(self._name), transitions)
        theirs: list[tuple[Ready, Refused]] = []
        stale: list[tuple[Ready, Refused]] = []
        for ready, work, transition, outcome in zip(chunk, known, transitions, outcomes, strict=True):
            if isinstance(outcome, Refused):
                (theirs if outcome.entry == ready.entry else stale).append((ready, outcome))
            elif work is not None and type(transition.event) is JobStarted:
                self._begin(ready, work, ready.attempt)
        await self._drop([ready for ready, _ in stale])
        return theirs

    async def take_over(self, ready: Ready, refusal: Refused, losses: int) -> None:
        """Go on with a job whose runner is gone; losses: how many were lost with this entry, that one included."""
        work, attempt = _understood(ready), refusal.attempt
        if work is None:
            return
        about = {"id": ready.id, "attempt": attempt, "losses": losses}
        if refusal.status == CANCELING:
            log.info("taking over a job that is being canceled", extra=about)
            self._begin(ready, work, attempt, stopping=True)
            return
        if refusal.status != RUNNING:
            return
        event: Event = JobTakenOver(attempt=attempt + 1)
        if losses > self._losses:
            error = f"lost its runner {losses} times"
            event = JobFailed(attempt=attempt, error=error, keep=self._keep, webhook=work.webhook)
        number = attempt if isinstance(event, JobFailed) else attempt + 1
        transition = Transition(event, ready.id, attempt=number, queue=ready.queue, entry=ready.entry)
        [outcome] = await self._journal.append_each(origin_of(self._name), [transition])
        if isinstance(outcome, Refused):
            return
        if isinstance(event, JobFailed):
            log.error("a job lost too many runners", extra=about)
            return
        log.warning("took over a job", extra=about)
        self._begin(ready, work, attempt + 1)

    def _first(self, ready: Ready, work: Work | None, now: int) -> Event:
        if work is not None and work.deadline and instants.ms(work.deadline) < now and ready.attempt == 1:
            return JobMissed(error="not started before its start_deadline", keep=self._keep, webhook=work.webhook)
        return JobStarted(attempt=ready.attempt)

    def _begin(self, ready: Ready, work: Work, attempt: int, *, stopping: bool = False) -> None:
        held = Held(ready=ready, work=work, attempt=attempt, context=Context(ready.id, attempt))
        self._slots.hold(held)
        self._worker.begin(held)
        if stopping and held.stop is not None:
            held.stop.set()

    async def _drop(self, chunk: Sequence[Ready]) -> None:
        for ready in chunk:
            log.debug("dropped an entry that is no job's any more", extra={"id": ready.id, "entry": ready.entry})
            await self._server.run("drop", [ready.keys.ready(ready.queue)], [RUNNERS, ready.entry])


def _understood(ready: Ready) -> Work | None:
    try:
        return _decode(ready.work)
    except msgspec.DecodeError as error:
        log.error("cannot read what a job is to do", extra={"id": ready.id, "reason": str(error)})
        return None
