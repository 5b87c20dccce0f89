"""Looking up single entities, many at once: the reads that are asked for in one turn of the event loop are one call."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, Protocol, TypeVar

from duestream.events import Entry, entry_of
from duestream.fresh import Freshness
from duestream.journal import LARGEST_CALL, PATIENCE
from duestream.server import Server


class Model(Protocol):
    """What is read of an entity."""

    @property
    def rev(self) -> int: ...


Read = TypeVar("Read", bound=Model)
Found = tuple[int, Read | None]  # the head's revision (0: no such entity), and the model as far as it is projected


class Lookups(Generic[Read]):
    """Of one kind in one shard. read: heads' revisions and models of some ids, in their order."""

    def __init__(self, read: Callable[[Sequence[str]], Awaitable[list[Found[Read]]]], fresh: Freshness) -> None:
        self._read = read
        self._fresh = fresh
        self._waiting: list[tuple[str, asyncio.Future[Found[Read]]]] = []
        self._pump: asyncio.Task[None] | None = None

    async def get(self, id: str, *, fresh: bool = True) -> Read | None:
        """One entity, as new as its head; None where there is none. Raises Behind, Unavailable."""
        rev, model = await self._ask(id)
        if not rev:
            return None
        if model is not None and (model.rev >= rev or not fresh):
            return model
        if not fresh:
            return None

        async def caught_up() -> Found[Read] | None:
            rev, model = await self._ask(id)
            return (rev, model) if not rev or (model is not None and model.rev >= rev) else None

        rev, model = await self._fresh.until(caught_up)
        return model if rev else None

    def _ask(self, id: str) -> "asyncio.Future[Found[Read]]":
        answer: asyncio.Future[Found[Read]] = asyncio.get_running_loop().create_future()
        self._waiting.append((id, answer))
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._run())
        return answer

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:LARGEST_CALL], self._waiting[LARGEST_CALL:]
            try:
                found = await self._read([id for id, _ in batch])
            except Exception as error:
                for _, answer in batch:
                    if not answer.done():
                        answer.set_exception(error)
                continue
            for (_, answer), each in zip(batch, found, strict=True):
                if not answer.done():  # whoever asked may have gone
                    answer.set_result(each)


async def history_of(server: Server, journal: str, model: str) -> list[Entry]:
    """The journal's entries of the entity whose model this is, oldest first; none where there is no model."""
    fields: dict[str, str] = await server.call("HGETALL", model, patience=PATIENCE)
    entries = sorted((int(name[1:]), entry) for name, entry in fields.items() if name[0] == "e" and name[1:].isdigit())
    found: list[Entry] = []
    for start in range(0, len(entries), LARGEST_CALL):
        names = [entry for _, entry in entries[start : start + LARGEST_CALL]]
        reply = await server.run("entries", [journal], names, patience=PATIENCE)
        found += (entry_of(entry, values) for entry, values in reply)
    return found
