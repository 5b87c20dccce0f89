"""Canceling jobs, one or many: what waits and handlers at once, a running container after it was stopped."""

import asyncio
from collections.abc import Sequence

import msgspec

from duestream.errors import Refused
from duestream.events import Origin, Transition
from duestream.job_models import Job, JobState
from duestream.job_reading import SCAN, Jobs, read_jobs
from duestream.jobs import CANCELED, CANCELING, RUNNING, JobCanceled, JobCanceling, ready_queue
from duestream.journal import Command, Journal
from duestream.keys import Keys


class Cancels:
    """Appends cancellations. keep: seconds until a canceled job is forgotten."""

    def __init__(self, journal: Journal, jobs: Jobs, *, keep: int) -> None:
        self._journal = journal
        self._jobs = jobs
        self._keep = keep

    async def cancel(self, source: Origin, job: Job) -> Job:
        """Cancel a living job that is not being canceled, as it was read; what became of it. Raises Refused."""
        transition = self._transition(job, job.rev)
        accepted = await self._journal.append(Command(source, (transition,)))
        rev = accepted.revs[0]
        if isinstance(transition.event, JobCanceling):
            state = msgspec.structs.replace(job.state, update_dt=source.at)
            return msgspec.structs.replace(job, rev=rev, status=CANCELING, state=state)
        attempts = [
            each if each.outcome else msgspec.structs.replace(each, end_dt=source.at, outcome=CANCELED)
            for each in job.attempts
        ]
        return msgspec.structs.replace(
            job, rev=rev, status=CANCELED, state=JobState(update_dt=source.at), attempts=attempts
        )

    async def cancel_all(self, source: Origin, statuses: Sequence[str]) -> int:
        """Cancel all jobs that the lists show in these statuses; how many."""
        lists = [(keys, status) for keys in self._journal.shards for status in statuses]
        return sum(await asyncio.gather(*(self._cancel_list(source, keys, status) for keys, status in lists)))

    async def _cancel_list(self, source: Origin, keys: Keys, status: str) -> int:
        count, after, ids = 0, "", ["first"]
        while ids:
            ids = await self._jobs.ids(status, keys=keys, after=after, limit=SCAN)
            found = await read_jobs(self._journal.server, keys, ids) if ids else []
            asked = [job for _, job in found if job is not None and not job.over and job.status != CANCELING]
            # a container that has been started meanwhile must be stopped: only as it was read; a handler in any case
            transitions = [self._transition(job, job.rev if job.spec.container is not None else 0) for job in asked]
            outcomes = await self._journal.append_each(source, transitions) if transitions else []
            for job, outcome in zip(asked, outcomes, strict=True):
                if not isinstance(outcome, Refused):
                    count += 1
                elif job.spec.container is not None:
                    count += await self._cancel_changed(source, job.id)
            after = ids[-1] if ids else ""
        return count

    async def _cancel_changed(self, source: Origin, id: str) -> int:
        for _ in range(50):  # each that fails is another's that succeeded
            job = await self._jobs.get(id)
            if job is None or job.over or job.status == CANCELING:
                return 0
            try:
                await self.cancel(source, job)
            except Refused:
                continue
            return 1
        return 0

    def _transition(self, job: Job, rev: int) -> Transition:
        if job.status == RUNNING and job.spec.container is not None:
            return Transition(JobCanceling(), job.id, rev)
        event = JobCanceled(keep=self._keep, webhook=job.spec.webhook)
        return Transition(event, job.id, rev, queue=ready_queue(job.spec))
