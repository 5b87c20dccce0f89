"""HTTP load from a process of its own: connections that each send the next request when an answer has come.

Requests are made up beforehand and of an answer only the status and the length are read, so that the client costs a
fraction of what the server does. `python -m benchmarks.load` takes a Plan from stdin and prints an Outcome.
"""

import asyncio
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from typing import cast

import msgspec
import uvloop

from benchmarks.figures import percentile

PATIENCE = 30.0  # seconds for the last answers to come


class Plan(msgspec.Struct, frozen=True):
    """requests: whole HTTP/1.1 requests, sent in turn, over and over; most: send so many in all (0: until the end).

    warmup: seconds before the `seconds` that count.
    """

    port: int
    requests: list[bytes]
    connections: int = 64
    seconds: float = 3.0
    warmup: float = 0.5
    most: int = 0


class Outcome(msgspec.Struct, frozen=True):
    """done: answers within `seconds`; statuses: of all answers; busy: the client's own share of a core."""

    done: int
    seconds: float
    statuses: dict[int, int]
    p50_ms: float
    p99_ms: float
    busy: float

    @property
    def rate(self) -> float:
        return self.done / self.seconds

    @property
    def answers(self) -> int:
        """All there were, also before and after the seconds that count."""
        return sum(self.statuses.values())


class LoadFailed(Exception):
    """Not every request was answered with a success."""


async def load(plan: Plan) -> Outcome:
    """Carry out a plan in another process. Raises LoadFailed where an answer was no success."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.load", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        said, _ = await process.communicate(msgspec.msgpack.encode(plan))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise LoadFailed(f"the load client ended with status {process.returncode}")
    outcome = msgspec.json.decode(said, type=Outcome)
    refused = {status: count for status, count in outcome.statuses.items() if not 200 <= status < 300}
    if refused or not outcome.done:
        raise LoadFailed(f"answers by status: {outcome.statuses}")
    return outcome


def request(method: str, path: str, body: bytes = b"") -> bytes:
    """One request, whole."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode() + body


def head(data: bytes) -> tuple[int, int]:
    """Status and content length of an answer's head. Raises ValueError where it is not one with a length."""
    if not data.startswith(b"HTTP/1.1 "):
        raise ValueError(f"no HTTP answer: {data[:40]!r}")
    status = int(data[9:12])
    if status in (204, 304):
        return status, 0
    lowered = data.lower()
    start = lowered.find(b"\r\ncontent-length:")
    if start < 0:
        raise ValueError(f"an answer without a length: {data[:40]!r}")
    return status, int(lowered[start + 17 :].split(b"\r\n", 1)[0])


class _Run:
    """What the connections of a plan share."""

    def __init__(self, plan: Plan) -> None:
        cycle = itertools.cycle(plan.requests)
        self.requests: Iterator[bytes] = itertools.islice(cycle, plan.most) if plan.most else cycle
        self.statuses: dict[int, int] = {}
        self.took: list[float] = []
        self.begins = time.perf_counter() + plan.warmup
        self.ends = self.begins + plan.seconds
        self.last = self.begins

    def answered(self, status: int, sent: float) -> bool:
        """Count an answer; whether to go on."""
        now = time.perf_counter()
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if self.begins <= now <= self.ends:
            self.took.append(now - sent)
            self.last = now
        return now < self.ends


class _Connection(asyncio.Protocol):
    def __init__(self, run: _Run, closed: "asyncio.Future[None]") -> None:
        self._run = run
        self._closed = closed
        self._head = b""
        self._status = 0
        self._left = 0  # bytes of a body that are still to come

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's derive from another class
        self._send()

    def _send(self) -> None:
        following = next(self._run.requests, None)
        if following is None:
            self._end()
            return
        self._sent = time.perf_counter()
        self._transport.write(following)

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._left -= len(data)
        else:
            data = self._head + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._head = data
                return
            self._head = b""
            try:
                self._status, length = head(data[:end])
            except ValueError as error:
                self._end(error)
                return
            self._left = length - (len(data) - end - 4)
        if self._left > 0:
            return
        if self._left < 0:
            self._end(ValueError("more came than was announced"))
        elif self._run.answered(self._status, self._sent):
            self._send()
        else:
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionResetError("the server closed a connection"))

    def _end(self, error: Exception | None = None) -> None:
        if self._closed.done():
            return
        if error is None:
            self._closed.set_result(None)
        else:
            self._closed.set_exception(error)
        self._transport.close()


async def drive(plan: Plan) -> Outcome:
    """Carry out a plan in this process. Raises OSError, ValueError or TimeoutError where the server fails."""
    loop = asyncio.get_running_loop()
    run = _Run(plan)
    used = time.process_time()
    ends: list[asyncio.Future[None]] = [loop.create_future() for _ in range(plan.connections)]
    async with asyncio.timeout(plan.warmup + plan.seconds + PATIENCE):
        for end in ends:
            await loop.create_connection(lambda end=end: _Connection(run, end), "127.0.0.1", plan.port)  # type: ignore[misc]
        await asyncio.gather(*ends)
    seconds = max(run.last - run.begins, 1e-9) if plan.most else plan.seconds
    busy = (time.process_time() - used) / (time.perf_counter() - run.begins + plan.warmup)
    p50, p99 = _milliseconds(run.took)
    return Outcome(len(run.took), seconds, run.statuses, p50, p99, busy)


def _milliseconds(took: Sequence[float]) -> tuple[float, float]:
    return (percentile(took, 50) * 1000, percentile(took, 99) * 1000) if took else (0.0, 0.0)


def main() -> None:
    plan = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Plan)
    outcome = uvloop.run(drive(plan))
    sys.stdout.buffer.write(msgspec.json.encode(outcome))


if __name__ == "__main__":
    main()
