"""Give notice of tasks that are about to expire: once per task and expiry.

The notice is an event, guarded by the revision of the task that it tells of. So of two schedulers one is refused; a
task that was changed or deleted meanwhile is left to what its newer event says; and the due entry goes when the
projector applies the notice, not before, so that a scheduler that dies here loses none.
"""

import logging

from duestream import instants
from duestream.errors import Refused
from duestream.events import Origin, Transition
from duestream.journal import Journal
from duestream.keys import Keys
from duestream.reading import read_tasks
from duestream.server import Server
from duestream.stats import count_notices
from duestream.tasks import TaskExpiring, expiring
from scheduler.due import Taken, settle

log = logging.getLogger("duestream.notices")


class Notices:
    """Handles what is due in `due:tasks` of one shard."""

    def __init__(self, server: Server, keys: Keys, journal: Journal) -> None:
        self._server = server
        self._keys = keys
        self._journal = journal

    async def give(self, taken: Taken) -> None:
        """Put the notices for some tasks on the journal."""
        transitions: list[Transition] = []
        events: list[TaskExpiring] = []
        lateness: list[int] = []
        stray: list[str] = []
        found = await read_tasks(self._server, self._keys, list(taken.due))
        for id, (rev, task) in zip(taken.due, found, strict=True):
            if not rev or (task is not None and task.rev == rev and task.notice_dt is None):
                stray.append(id)  # deleted, or given: the projector removes it too
            elif task is not None and task.rev == rev and (event := expiring(task, taken.now)):
                transitions.append(Transition(event, id, rev))
                events.append(event)
                armed = max(instants.ms(event.due_dt), instants.ms(task.update_dt))
                lateness.append(taken.now - armed)
        await settle(self._server, self._keys.due_tasks(), taken, stray)
        if not transitions:
            return
        origin = Origin(at=instants.stamp_ms(taken.now), by="scheduler")
        outcomes = await self._journal.append_each(origin, transitions)
        given = []
        for transition, event, outcome, late in zip(transitions, events, outcomes, lateness, strict=True):
            if isinstance(outcome, Refused):
                log.debug("notice overtaken", extra={"id": transition.id, "rev": transition.rev})
                continue
            log.info(event.notice, extra={"id": transition.id, "rev": outcome})
            given.append(late)
        await count_notices(self._server, self._keys, given)
