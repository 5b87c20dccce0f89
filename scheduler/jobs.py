"""Queue jobs whose time has come, give up those that come too late to be started, forget those that are long over.

Each is an event that is guarded by the revision of the job as it was read. So of two schedulers one is refused; a job
that was changed meanwhile is left to what its newer event says; and the due entry goes when the projector applies the
event, not before, so that a scheduler that dies here loses none.
"""

import logging

from duestream import instants
from duestream.errors import Refused
from duestream.events import Event, Origin, Transition
from duestream.job_models import Job, work_of
from duestream.job_reading import read_jobs
from duestream.jobs import QUEUED, RETRYING, SCHEDULED, JobForgotten, JobMissed, JobQueued, ready_queue
from duestream.journal import Journal
from duestream.keys import Keys
from duestream.server import Server
from scheduler.due import Taken, settle

log = logging.getLogger("duestream.jobs")

LEFT_MS = 3600 * 1000  # that a log stays whose scheduler died when it forgot the job


class JobTimes:
    """Handles what is due in `due:jobs` of one shard. keep: seconds until one that is given up is forgotten."""

    def __init__(self, server: Server, keys: Keys, journal: Journal, *, keep: int) -> None:
        self._server = server
        self._keys = keys
        self._journal = journal
        self._keep = keep

    async def act(self, taken: Taken) -> None:
        """Put what has fallen due on the journal."""
        transitions: list[Transition] = []
        stray: list[str] = []
        found = await read_jobs(self._server, self._keys, list(taken.due))
        for id, (rev, job) in zip(taken.due, found, strict=True):
            if not rev:
                stray.append(id)  # forgotten: the projector removes it too
                continue
            if job is None or job.rev != rev:
                continue  # what the projector has yet to apply says when it is due
            event = self._event(job, taken.now)
            if event is None:
                stray.append(id)
            else:
                work = work_of(job) if isinstance(event, JobQueued) else b""
                unique = job.spec.unique if isinstance(event, JobForgotten) else ""
                queue = ready_queue(job.spec)
                transitions.append(Transition(event, id, rev, unique=unique, queue=queue, work=work))
        await settle(self._server, self._keys.due_jobs(), taken, stray)
        if not transitions:
            return
        forgotten = [n for n, each in enumerate(transitions) if isinstance(each.event, JobForgotten)]
        await self._keep_logs([transitions[n] for n in forgotten], LEFT_MS)  # whoever dies here leaves none for ever
        origin = Origin(at=instants.stamp_ms(taken.now), by="scheduler")
        outcomes = await self._journal.append_each(origin, transitions)
        await self._keep_logs([transitions[n] for n in forgotten if not isinstance(outcomes[n], Refused)], 0)
        await self._keep_logs([transitions[n] for n in forgotten if isinstance(outcomes[n], Refused)], -1)
        for transition, outcome in zip(transitions, outcomes, strict=True):
            about = {"id": transition.id, "type": transition.event.type}
            if isinstance(outcome, Refused):
                log.debug("overtaken", extra=about)
            else:
                log.debug("a job's time has come", extra={**about, "rev": outcome})

    async def _keep_logs(self, transitions: list[Transition], ms: int) -> None:
        if transitions:
            await self._server.run("keep_logs", [self._keys.log(each.id) for each in transitions], [ms])

    def _event(self, job: Job, now: int) -> Event | None:
        """What is to become of a job; None where nothing is due."""
        spec = job.spec
        late = bool(spec.deadline) and not job.attempts and instants.ms(spec.deadline) <= now
        if job.status in (SCHEDULED, QUEUED) and late:
            return JobMissed(error="not started before its start_deadline", keep=self._keep, webhook=spec.webhook)
        if job.status in (SCHEDULED, RETRYING):
            return JobQueued(deadline="" if job.attempts else spec.deadline, failures=job.state.failures)
        if job.status == QUEUED:
            return None
        return JobForgotten() if job.over else None
