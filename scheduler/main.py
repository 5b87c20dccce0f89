"""One scheduler process: every due set of every shard."""

import asyncio
import logging
from functools import partial

from duestream import jobs
from duestream.journal import Journal
from duestream.lifecycle import AWAY_AT_START, Duty, process_name, serving, until_stopped
from duestream.settings import Settings
from duestream.tasks import STEPS
from duestream.turns import HOME, Desk, open_first_queue
from scheduler.batches import Batches
from scheduler.due import DueSet
from scheduler.jobs import JobTimes
from scheduler.notices import Notices
from scheduler.sweeps import Sweeps
from scheduler.turns import Turns
from scheduler.webhooks import webhook_duties

log = logging.getLogger("duestream.scheduler")


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Act on what falls due until the stop."""
    name = process_name("scheduler")
    async with serving(settings, name, stop) as server, webhook_duties(server, settings, name, stop) as webhooks:
        journal = Journal(server, "tasks", STEPS, shards=settings.shards, process=name)
        job_journal = Journal(server, "jobs", jobs.STEPS, shards=settings.shards, process=name, over=jobs.OVER)
        duties: list[Duty] = [*webhooks]
        desk = Desk(server, process=name)
        await server.patiently(partial(open_first_queue, desk, "scheduler"), AWAY_AT_START)
        duties.append(DueSet(server, HOME, HOME.due_tokens(), Turns(server, HOME, desk).act, stop))
        for keys in journal.shards:
            times = JobTimes(server, keys, job_journal, keep=settings.keep)
            duties += [
                DueSet(server, keys, keys.due_tasks(), Notices(server, keys, journal).give, stop),
                DueSet(server, keys, keys.due_jobs(), times.act, stop),
                DueSet(server, keys, keys.due_batches(), Batches(server, keys, settings.shards).finish, stop),
                DueSet(server, keys, keys.due_sweeps(), Sweeps(server, keys).sweep, stop),
            ]
        log.info("scheduling", extra={"worker": name, "shards": settings.shards})
        await until_stopped(duties, stop, settings.drain_seconds)
        log.info("stopped", extra={"worker": name})
