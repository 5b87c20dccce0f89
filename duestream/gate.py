"""Group commit: what is asked for while a call is on its way gathers for the next one."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Said = TypeVar("Said")


class Gate(Generic[Asked, Said]):
    """One process's way to one stream. call: carries out some of what was asked for, and says what came of each.

    size: how much of a call one takes; largest: how much a call may carry, unless one alone takes more.
    """

    def __init__(
        self,
        call: Callable[[list[Asked]], Awaitable[list[Said]]],
        *,
        largest: int,
        size: Callable[[Asked], int] = lambda _: 1,
    ) -> None:
        self._call = call
        self._largest = largest
        self._size = size
        self._waiting: deque[tuple[Asked, asyncio.Future[Said]]] = deque()
        self._running: asyncio.Task[None] | None = None

    def submit(self, asked: Asked) -> "asyncio.Future[Said]":
        """What came of it; it is carried out whether or not somebody waits for that."""
        answer: asyncio.Future[Said] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, answer))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return answer

    async def _run(self) -> None:
        while self._waiting:
            await self._carry_out(self._gather())
            await asyncio.sleep(0)  # those who got their answers may ask again, and share the next call

    def _gather(self) -> list[tuple[Asked, "asyncio.Future[Said]"]]:
        batch = [self._waiting.popleft()]
        size = self._size(batch[0][0])
        while self._waiting and size + self._size(self._waiting[0][0]) <= self._largest:
            batch.append(self._waiting.popleft())
            size += self._size(batch[-1][0])
        return batch

    async def _carry_out(self, batch: list[tuple[Asked, "asyncio.Future[Said]"]]) -> None:
        try:
            answers = await self._call([asked for asked, _ in batch])
        except Exception as error:
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (_, answer), said in zip(batch, answers, strict=True):
            if not answer.done():  # else whoever asked has gone
                answer.set_result(said)
