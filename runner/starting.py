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
from runner.halts import halt
from runner.slots import Held, Ready, Slots, origin_of

log = logging.getLogger("duestream.runner")

_decode = msgspec.json.Decoder(Work).decode


UNREADABLE = "the runner cannot read what it is to do"


class Worker(Protocol):
    """Has the work of a job done; it puts the end among the `Ends`."""

    async def able(self) -> bool:
        """Whether it can do any work now."""

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

    async def able(self) -> bool:
        """Whether what is started now can be worked on."""
        return await self._worker.able()

    async def start(self, chunk: Sequence[Ready]) -> list[tuple[Ready, Refused]]:
        """Start jobs that nobody has started; those that were refused, though this entry is still theirs."""
        now, known = now_ms(), [_understood(ready) for ready in chunk]
        transitions = [
            Transition(self._first(ready, work, now), ready.id, 0, ready.attempt, "", ready.queue, ready.entry)
            for ready, work in zip(chunk, known, strict=True)
        ]
        theirs: list[tuple[Ready, Refused]] = []
        stale: list[Ready] = []
        unreadable: list[tuple[Ready, int]] = []
        with self._slots.starting((ready.id, ready.attempt) for ready in chunk):
            outcomes = await self._journal.append_each(origin_of(self._name), transitions)
            for ready, work, transition, outcome in zip(chunk, known, transitions, outcomes, strict=True):
                if isinstance(outcome, Refused):
                    if outcome.entry == ready.entry:
                        theirs.append((ready, outcome))
                    else:
                        stale.append(ready)
                elif work is None:
                    unreadable.append((ready, ready.attempt))
                elif type(transition.event) is JobStarted:
                    self._begin(ready, work, ready.attempt)
        await self._drop(stale)
        await self._give_up([(ready, None, attempt, UNREADABLE) for ready, attempt in unreadable])
        return theirs

    async def take_over(self, lost: Sequence[tuple[Ready, Refused, int]]) -> None:
        """Go on with jobs whose runner is gone; each with how many it lost by this entry, that one included."""
        hopeless: list[tuple[Ready, Work | None, int, str]] = []
        going_on: list[tuple[Ready, Work]] = []
        transitions: list[Transition] = []
        for ready, refusal, losses in lost:
            work, attempt = _understood(ready), refusal.attempt
            about = {"id": ready.id, "attempt": attempt, "losses": losses}
            if refusal.status not in (RUNNING, CANCELING):
                continue
            if work is None:
                hopeless.append((ready, None, attempt, UNREADABLE))
            elif refusal.status == CANCELING:
                log.info("taking over a job that is being canceled", extra=about)
                self._begin(ready, work, attempt, status=CANCELING)
            elif losses > self._losses:
                log.error("a job lost too many runners", extra=about)
                hopeless.append((ready, work, attempt, f"lost its runner {losses} times"))
            else:
                log.warning("taking over a job", extra=about)
                going_on.append((ready, work))
                event = JobTakenOver(attempt=attempt + 1)
                transitions.append(
                    Transition(event, ready.id, attempt=attempt + 1, queue=ready.queue, entry=ready.entry)
                )
        await self._give_up(hopeless)
        if not transitions:
            return
        with self._slots.starting((each.id, each.attempt) for each in transitions):
            outcomes = await self._journal.append_each(origin_of(self._name), transitions)
            for (ready, work), transition, outcome in zip(going_on, transitions, outcomes, strict=True):
                if not isinstance(outcome, Refused):
                    self._begin(ready, work, transition.attempt)

    def _first(self, ready: Ready, work: Work | None, now: int) -> Event:
        if work is not None and work.deadline and instants.ms(work.deadline) < now and ready.attempt == 1:
            return JobMissed(error="not started before its start_deadline", keep=self._keep, webhook=work.webhook)
        return JobStarted(attempt=ready.attempt)

    def _begin(self, ready: Ready, work: Work, attempt: int, *, status: str = "") -> None:
        status = status or self._slots.halted(ready.id, attempt)
        if status not in ("", CANCELING):
            return  # it was canceled before we heard that it is ours
        held = Held(ready=ready, work=work, attempt=attempt, context=Context(ready.id, attempt))
        self._slots.hold(held)
        self._worker.begin(held)
        if status:
            halt(self._slots, held, status)

    async def _give_up(self, hopeless: Sequence[tuple[Ready, Work | None, int, str]]) -> None:
        transitions = []
        for ready, work, attempt, error in hopeless:
            webhook = "" if work is None else work.webhook
            event = JobFailed(attempt=attempt, error=error, keep=self._keep, webhook=webhook)
            transitions.append(Transition(event, ready.id, attempt=attempt, queue=ready.queue))
        if transitions:
            await self._journal.append_each(origin_of(self._name), transitions)

    async def _drop(self, stale: Sequence[Ready]) -> None:
        streams: dict[str, list[str]] = {}
        for ready in stale:
            log.debug("dropped an entry that is no job's any more", extra={"id": ready.id, "entry": ready.entry})
            streams.setdefault(ready.keys.ready(ready.queue), []).append(ready.entry)
        for stream, entries in streams.items():
            await self._server.run("drop", [stream], [RUNNERS, *entries])


def _understood(ready: Ready) -> Work | None:
    try:
        return _decode(ready.work)
    except (msgspec.DecodeError, RecursionError) as error:
        log.error("cannot read what a job is to do", extra={"id": ready.id, "reason": str(error)})
        return None
