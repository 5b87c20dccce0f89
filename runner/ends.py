"""Write down how jobs end: what gathers while one call is on its way goes with the next."""

import asyncio
import logging

from duestream.errors import Refused, Unavailable
from duestream.events import Event, Transition
from duestream.jobs import CANCELING, STEPS, Ended, JobFailed, JobRetrying
from duestream.journal import Journal
from duestream.lifecycle import unless_stopped
from runner.slots import Held, Slots, origin_of

log = logging.getLogger("duestream.runner")

AGAIN = 0.2  # seconds until the next try where Redis is away
AT_ONCE = 500
LARGEST = 4 * 1024 * 1024  # bytes of results in one call


class Ends:
    """A duty. An end that is refused was overtaken: the job was canceled, or another runner has it."""

    def __init__(self, journal: Journal, name: str, stop: asyncio.Event, *, keep: int) -> None:
        self._journal = journal
        self._name = name
        self._stop = stop
        self._keep = keep
        self._waiting: list[tuple[Held, Slots, Transition]] = []
        self._some = asyncio.Event()
        self._unwritten = 0
        self._written = asyncio.Event()
        self._written.set()

    def put(self, held: Held, slots: Slots, event: Event, work: bytes = b"") -> None:
        """Have the end of an attempt written down; the job's slot is free when it is."""
        held.ended = True
        ready = held.ready
        transition = Transition(event, ready.id, attempt=held.attempt, queue=ready.queue, work=work)
        self._waiting.append((held, slots, transition))
        self._unwritten += 1
        self._written.clear()
        self._some.set()

    async def once(self) -> None:
        """Write down what has gathered, or wait for something."""
        if not self._some.is_set():
            await unless_stopped(self._some.wait(), self._stop)
        batch = self._next()
        if not batch:
            return
        try:
            outcomes = await self._journal.append_each(
                origin_of(self._name), [transition for _, _, transition in batch]
            )
        except BaseException as error:
            self._waiting = batch + self._waiting
            self._some.set()
            if not isinstance(error, Unavailable):
                raise
            await asyncio.sleep(AGAIN)  # as long as Redis is away there is nobody who could take them over
            return
        for (held, slots, transition), outcome in zip(batch, outcomes, strict=True):
            self._settle(held, slots, transition.event, outcome)
        self._unwritten -= len(batch)
        if not self._unwritten:
            self._written.set()

    def _next(self) -> list[tuple[Held, Slots, Transition]]:
        count = size = 0
        for _, _, transition in self._waiting[:AT_ONCE]:
            size += len(transition.work) + len(getattr(transition.event, "result", b""))
            if count and size > LARGEST:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        if not self._waiting:
            self._some.clear()
        return batch

    def _settle(self, held: Held, slots: Slots, event: Event, outcome: int | Refused) -> None:
        if isinstance(outcome, Refused):
            ours = outcome.attempt == held.attempt
            if ours and outcome.status == CANCELING and isinstance(event, JobRetrying):
                about = {name: getattr(event, name) for name in Ended.__struct_fields__}  # there is no further attempt
                last = JobFailed(**about, error=event.error, keep=self._keep, webhook=held.work.webhook)
                self.put(held, slots, last)
                return
            if not ours or outcome.status != STEPS[type(event)].to:  # else it was carried out, and the answer was lost
                about = {"id": held.id, "attempt": held.attempt, "status": outcome.status}
                log.info("the end of a job came too late: %s", event.type, extra=about)
                held.after = None
        slots.release(held)

    async def written(self) -> None:
        """Wait until nothing is left to be written."""
        await self._written.wait()
