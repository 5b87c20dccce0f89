"""Put on the journal how far jobs are, once a second at most."""

import asyncio

from duestream.events import Transition
from duestream.jobs import JobProgressed
from duestream.journal import Journal
from duestream.lifecycle import wait
from runner.slots import Slots, origin_of

PAUSE = 1.0  # seconds


class Progress:
    """A duty. What is refused was overtaken by the job's end."""

    def __init__(self, journal: Journal, slots: Slots, name: str, stop: asyncio.Event) -> None:
        self._journal = journal
        self._slots = slots
        self._name = name
        self._stop = stop

    async def once(self) -> None:
        transitions: list[Transition] = []
        for held in self._slots.held.values():
            latest = held.context.latest
            if latest is not None and not held.ended:
                held.context.latest = None
                event = JobProgressed(held.attempt, *latest)
                transitions.append(Transition(event, held.id, attempt=held.attempt))
        if transitions:
            await self._journal.append_each(origin_of(self._name), transitions)
        await wait(self._stop, PAUSE)
