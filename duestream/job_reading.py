"""Reading jobs: one, a page of the list, the history of one; fresh unless asked otherwise."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

from duestream.events import Entry
from duestream.fresh import Freshness
from duestream.job_models import Job, job_of
from duestream.jobs import STATUSES
from duestream.journal import LARGEST_CALL, PATIENCE
from duestream.keys import Keys, shard_of
from duestream.lookups import Lookups, history_of
from duestream.server import Server

SCAN = 500  # ids of a list that are looked at in one step


class Jobs:
    """The jobs' read models over all shards."""

    def __init__(self, server: Server, *, shards: int) -> None:
        self._server = server
        self._shards = [Keys(shard) for shard in range(shards)]
        self._fresh = [Freshness(server, keys) for keys in self._shards]
        self._lookups = [
            Lookups(lambda ids, keys=keys: read_jobs(server, keys, ids), fresh)  # type: ignore[misc]
            for keys, fresh in zip(self._shards, self._fresh, strict=True)
        ]

    def home(self, id: str) -> Keys:
        """The keys of the shard in which a job lives."""
        return self._shards[shard_of("jobs", id, len(self._shards))]

    async def get(self, id: str, *, fresh: bool = True) -> Job | None:
        """One job, as new as its head; None where there is none. Raises Behind, Unavailable."""
        return await self._lookups[self.home(id).shard].get(id, fresh=fresh)

    async def applied(self) -> None:
        """Wait until everything appended so far is in the read models. Raises Behind."""
        await asyncio.gather(*(fresh.applied("jobs") for fresh in self._fresh))

    async def counts(self) -> dict[str, int]:
        """How many jobs there are in each status."""
        found = dict.fromkeys(STATUSES, 0)
        for keys in self._shards:
            for status in STATUSES:
                found[status] += int(await self._server.call("ZCARD", keys.listed("jobs", status), patience=PATIENCE))
        return found

    async def page(
        self,
        *,
        limit: int,
        statuses: Sequence[str] = STATUSES,
        after: str = "",
        newest_first: bool = True,
        matches: Callable[[Job], bool] | None = None,
    ) -> list[Job]:
        """Up to `limit` jobs in these statuses, in the order in which they were made, behind the id `after`."""
        scans = [self._scan(keys, status, after, newest_first) for keys in self._shards for status in statuses]
        found: dict[str, Job] = {}
        try:
            async for job in _merged(scans, newest_first):
                if job.status in statuses and (matches is None or matches(job)):
                    found[job.id] = job  # one that changed its status meanwhile comes twice
                    if len(found) == limit:
                        break
        finally:
            for scan in scans:
                await scan.aclose()
        return list(found.values())

    async def ids(self, status: str, *, keys: Keys, after: str = "", limit: int = SCAN) -> list[str]:
        """The ids of one list of one shard, oldest first."""
        start = f"({after}" if after else "-"
        command = ("ZRANGE", keys.listed("jobs", status), start, "+", "BYLEX", "LIMIT", 0, limit)
        found: list[str] = await self._server.call(*command, patience=PATIENCE)
        return found

    async def _scan(self, keys: Keys, status: str, after: str, newest_first: bool) -> AsyncGenerator[Job, None]:
        """The jobs of one list of one shard, in order."""
        step = 50
        while True:
            start = f"({after}" if after else "+" if newest_first else "-"
            command: list[str | int] = ["ZRANGE", keys.listed("jobs", status), start, "-" if newest_first else "+"]
            command += ["BYLEX", *(["REV"] if newest_first else []), "LIMIT", 0, step]
            ids: list[str] = await self._server.call(*command, patience=PATIENCE)
            for _, job in await read_jobs(self._server, keys, ids) if ids else ():
                if job is not None:
                    yield job
            if len(ids) < step:
                return
            after, step = ids[-1], SCAN

    async def history(self, id: str) -> list[Entry]:
        """The journal's entries of one job, oldest first, until an hour after it was forgotten; none if unknown."""
        keys = self.home(id)
        await self._fresh[keys.shard].applied("jobs")
        return await history_of(self._server, keys.journal("jobs"), keys.job(id))


async def _merged(scans: list[AsyncGenerator[Job, None]], newest_first: bool) -> AsyncGenerator[Job, None]:
    """What several scans yield, in order of id."""
    heads = [(scan, await anext(scan, None)) for scan in scans]
    while True:
        left = [(job.id, n) for n, (_, job) in enumerate(heads) if job is not None]
        if not left:
            return
        _, n = max(left) if newest_first else min(left)
        scan, job = heads[n]
        assert job is not None
        yield job
        heads[n] = (scan, await anext(scan, None))


async def read_jobs(server: Server, keys: Keys, ids: Sequence[str]) -> list[tuple[int, Job | None]]:
    """Heads' revisions and models of up to a few hundred jobs of one shard, in one call."""
    assert len(ids) <= LARGEST_CALL
    names = [keys.heads("jobs"), keys.ids("jobs"), *map(keys.job, ids)]
    reply = await server.run("read", names, [0, *ids], patience=PATIENCE)
    return [
        (int(row[0]), job_of(id, dict(zip(row[1::2], row[2::2], strict=True))))
        for id, row in zip(ids, reply, strict=True)
    ]
