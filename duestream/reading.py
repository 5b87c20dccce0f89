"""Reading tasks: one, some, a page of the list, the history of one; fresh unless asked otherwise."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

from duestream.events import Entry
from duestream.fresh import Freshness
from duestream.journal import LARGEST_CALL, PATIENCE
from duestream.keys import Keys
from duestream.lookups import Lookups, history_of
from duestream.server import Server
from duestream.tasks import FIELDS, Task, task_of

SCAN = 1000  # ids of a list that are looked at in one step


class Tasks:
    """The tasks' read models over all shards."""

    def __init__(self, server: Server, *, shards: int) -> None:
        self._server = server
        self._shards = [Keys(shard) for shard in range(shards)]
        self._fresh = [Freshness(server, keys) for keys in self._shards]
        self._lookups = [
            Lookups(lambda ids, keys=keys: read_tasks(server, keys, ids), fresh)  # type: ignore[misc]
            for keys, fresh in zip(self._shards, self._fresh, strict=True)
        ]

    async def get(self, id: int, *, fresh: bool = True) -> Task | None:
        """One task, as new as its head; None where there is none. Raises Behind, Unavailable."""
        return await self._lookups[id % len(self._shards)].get(str(id), fresh=fresh)

    async def get_many(self, ids: Sequence[int]) -> dict[int, Task]:
        """Those of some tasks that exist, fresh."""
        found = await asyncio.gather(*(self.get(id) for id in ids))
        return {task.id: task for task in found if task is not None}

    async def applied(self) -> None:
        """Wait until everything appended so far is in the read models. Raises Behind."""
        await asyncio.gather(*(fresh.applied("tasks") for fresh in self._fresh))

    async def page(self, *, after: int, offset: int, limit: int, matches: Callable[[Task], bool] | None) -> list[Task]:
        """Up to `limit` tasks with ids above `after` in order of id, leaving out the first `offset` that match."""
        if matches is None and len(self._shards) == 1:
            scans = [self._scan(self._shards[0], after=after, skip=offset, at_most=limit)]
            offset = 0
        else:
            scans = [self._scan(keys, after=after, skip=0, at_most=offset + limit) for keys in self._shards]
        found: list[Task] = []
        wanted = offset + limit
        try:
            async for task in _in_order(scans):
                if matches is None or matches(task):
                    found.append(task)
                    if len(found) == wanted:
                        break
        finally:
            for scan in scans:
                await scan.aclose()
        return found[offset:]

    async def _scan(self, keys: Keys, *, after: int, skip: int, at_most: int) -> AsyncGenerator[Task, None]:
        """The tasks of one shard in order of id."""
        step = max(1, min(SCAN, at_most))
        while True:
            args = [after, skip, step]
            ids: list[str] = await self._server.run(
                "page", [keys.listed("tasks"), keys.view("tasks")], args, patience=PATIENCE
            )
            for start in range(0, len(ids), LARGEST_CALL):
                for _, task in await read_tasks(self._server, keys, ids[start : start + LARGEST_CALL]):
                    if task is not None:
                        yield task
            if len(ids) < step:
                return
            after, skip, step = int(ids[-1]), 0, SCAN

    async def history(self, id: int) -> list[Entry]:
        """The journal's entries of one task, oldest first, until an hour after its deletion; none if it is unknown."""
        keys = self._shards[id % len(self._shards)]
        await self._fresh[keys.shard].applied("tasks")
        return await history_of(self._server, keys.journal("tasks"), keys.task(str(id)))


async def _in_order(scans: list[AsyncGenerator[Task, None]]) -> AsyncGenerator[Task, None]:
    """What several scans yield, in order of id."""
    heads = [(scan, await anext(scan, None)) for scan in scans]
    while True:
        left = [(task.id, n) for n, (_, task) in enumerate(heads) if task is not None]
        if not left:
            return
        _, n = min(left)
        scan, task = heads[n]
        assert task is not None
        yield task
        heads[n] = (scan, await anext(scan, None))


async def read_tasks(server: Server, keys: Keys, ids: Sequence[str]) -> list[tuple[int, Task | None]]:
    """Heads' revisions and models of up to a few hundred tasks of one shard, in one call."""
    reply = await server.run(
        "read",
        [keys.heads("tasks"), keys.ids("tasks"), *map(keys.task, ids)],
        [len(FIELDS), *FIELDS, *ids],
        patience=PATIENCE,
    )
    return [(int(row[0]), task_of(id, row[1:])) for id, row in zip(ids, reply, strict=True)]
