"""What the tests of jobs over HTTP do over and over; and a runner's writing, by hand."""

from typing import Any

import httpx

from duestream.clock import now_ms
from duestream.events import Event, Origin, Transition
from duestream.instants import stamp_ms
from duestream.jobs import CONTAINERS, DEFAULT_QUEUE, OVER, STEPS, JobStarted, JobTakenOver
from duestream.journal import Command, Journal
from duestream.keys import Keys, shard_of
from tests.running import Service, until

NO_RUNNER = ("api", "projector", "scheduler")


def quick(payload: str = "hello") -> dict[str, Any]:
    """A job that ends at once, with the payload's length."""
    return {"handler": "length", "payload": {"text": payload, "seconds": 0}}


def slow() -> dict[str, Any]:
    """A job that runs for longer than any test."""
    return {"handler": "length", "payload": {"text": "hello", "seconds": 600}}


def box(**options: Any) -> dict[str, Any]:
    return {"image": "busybox:1.36", **options}


async def submit(http: httpx.AsyncClient, job: dict[str, Any]) -> str:
    """The path of a new job."""
    answer = await http.post("/v1/jobs", json=job)
    assert answer.status_code == 202, answer.text
    return answer.headers["location"]


async def reached(http: httpx.AsyncClient, at: str, *statuses: str) -> dict[str, Any]:
    """A job, once it is in one of these statuses; over, if none is named."""
    found: dict[str, Any] = {}

    async def there() -> bool:
        found.update((await http.get(at)).json())
        return found["status"] in (statuses or OVER)

    await until(there, f"{at} is {' or '.join(statuses or OVER)}")
    return found


class Hand:
    """Writes what a runner writes of containers, where no runner is."""

    def __init__(self, service: Service) -> None:
        self._server = service.server
        self._shards = service.settings.shards
        self._journal = Journal(service.server, "jobs", STEPS, shards=self._shards, process="hand", over=OVER)

    def keys(self, at: str) -> Keys:
        return Keys(shard_of("jobs", at[-32:], self._shards))

    async def start(self, at: str) -> None:
        """Begin the first attempt of a job with a container."""
        await self._begin(at, JobStarted(attempt=1), 1)

    async def take_over(self, at: str) -> None:
        """Begin the second attempt of a job whose first one runs."""
        await self._begin(at, JobTakenOver(attempt=2), 2)

    async def _begin(self, at: str, event: Event, attempt: int) -> None:
        head = await self._server.call("HGET", self.keys(at).heads("jobs"), at[-32:])
        await self._append(Transition(event, at[-32:], attempt=attempt, entry=head.split(" ")[-1]))

    async def end(self, at: str, event: Event) -> None:
        """End its first attempt."""
        await self._append(Transition(event, at[-32:], attempt=1, queue=f"{DEFAULT_QUEUE}{CONTAINERS}"))

    async def put_out(self, at: str, *pieces: str, stream: str = "stdout", attempt: int = 1) -> None:
        """Add to the log of a job whose attempt this is."""
        keys, id = self.keys(at), at[-32:]
        args: list[str | int] = [id, attempt, 1024 * 1024]
        for piece in pieces:
            args += [stream, "2026-11-22T12:00:00.000000000Z", piece]
        assert await self._server.run("write_log", [keys.log(id), keys.heads("jobs")], args) == 0

    async def _append(self, transition: Transition) -> None:
        await self._journal.append(Command(Origin(stamp_ms(now_ms()), "hand"), [transition]))
