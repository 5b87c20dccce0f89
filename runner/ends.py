"""Write down how jobs end: what gathers while one call is on its way goes with the next."""

import asyncio
import logging

from duestream.errors import Refused, Unavailable
from duestream.events import Event, Transition
from duestream.jobs import STEPS
from duestream.journal import Journal
from duestream.lifecycle import unless_stopped
from runner.slots import Held, Slots, origin_of

log = logging.getLogger("duestream.runner")

AGAIN = 0.2  # seconds until the next try where Redis is away
AT_ONCE = 500


class Ends:
    """A duty. An end that is refused was overtaken: the job was canceled, or another runner has it."""

    def __init__(self, journal: Journal, name: str, stop: asyncio.Event) -> None:
        self._journal = journal
        self._name = name
        self._stop = stop
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
        batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
        if not self._waiting:
            self._some.clear()
        if not batch:
            return
        try:
            outcomes = await self._journal.append_each(
                origin_of(self._name), [transition for _, _, transition in batch]
            )
        except Unavailable:
            self._waiting = batch + self._waiting  # as long as Redis is away there is nobody who could take them over
            self._some.set()
            await asyncio.sleep(AGAIN)
            return
        for (held, slots, transition), outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Refused):
                about = {"id": held.id, "attempt": held.attempt, "status": outcome.status}
                log.info("the end of a job came too late: %s", transition.event.type, extra=about)
                held.ended = STEPS[type(transition.event)].to == outcome.status
            slots.release(held)
        self._unwritten -= len(batch)
        if not self._unwritten:
            self._written.set()

    async def written(self) -> None:
        """Wait until nothing is left to be written."""
        await self._written.wait()
