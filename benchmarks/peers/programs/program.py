"""What the peers' Python programs share: the jobs to put, the record of their starts, and the command line.

`<program> put|submit <url> <count> <seconds> <within>` puts jobs and prints how many it put per second;
`<program> work <url> <at once>` works until it is killed, at so many jobs at once (0: what drains no-op jobs best).
The file PEER_STARTS gets one line per start: the time and, of a timed job, when it was due. Of the no-op jobs only the
first of each process is noted, which costs the others nothing.
"""

import asyncio
import contextlib
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple

PAYLOAD = "x" * 98  # 100 characters of JSON text
IN_FLIGHT = 64  # submissions at once where a peer has no bulk call
WARMING = 200  # jobs that are put before those that count: connections, scripts, caches
AHEAD = 1.5  # seconds before the first of timed jobs is due


class Order(NamedTuple):
    """amount: of jobs; seconds: that each sleeps; within: timed jobs fall due one after the other within so long."""

    amount: int
    seconds: float = 0.0
    within: float = 0.0

    def jobs(self) -> Iterator[tuple[str, float]]:
        """Each job's name, and how long it sleeps or when it is due."""
        name = "timed" if self.within else "sleeper" if self.seconds else "length"
        begin = time.time() + AHEAD
        for number in range(self.amount):
            yield name, begin + self.within * number / self.amount if self.within else self.seconds


class Starts:
    """Notes when jobs start."""

    def __init__(self) -> None:
        self._noted = False
        self._file = -1

    def first(self) -> None:
        if not self._noted:
            self.note()

    def note(self, due: float = 0.0) -> None:
        self._noted = True
        if self._file < 0:
            self._file = os.open(os.environ["PEER_STARTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(self._file, f"{time.time():.6f} {due:.6f}\n".encode())


starts = Starts()


async def length(payload: str) -> int:
    starts.first()
    return len(payload)


async def sleeper(payload: str, seconds: float) -> int:
    starts.note()
    await asyncio.sleep(seconds)
    return len(payload)


async def timed(payload: str, due: float) -> int:
    starts.note(due)
    return len(payload)


def arguments(name: str, number: float) -> tuple[str] | tuple[str, float]:
    """Of a job of that name."""
    return (PAYLOAD,) if name == "length" else (PAYLOAD, number)


async def many(order: Order, submit: Callable[[str, float], Awaitable[object]]) -> float:
    """Submit each job of an order, IN_FLIGHT at a time; how many seconds that took."""
    jobs = order.jobs()

    async def some() -> None:
        for name, number in jobs:
            await submit(name, number)

    started = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(IN_FLIGHT)))
    return time.perf_counter() - started


def main(put: Callable[[str, list[Order]], float], work: Callable[[str, int], None]) -> None:
    """Do what the command line says. `put` puts orders one after the other and returns the last one's seconds."""
    with contextlib.suppress(ValueError, OSError):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # some workers take a connection per job
    command, url, count, *rest = sys.argv[1:]
    if command == "work":
        work(url, int(count))
        return
    order = Order(int(count), *map(float, rest))
    took = put(url, [Order(WARMING), order] if command == "submit" else [order])
    print(order.amount / took)
