"""Clients that create, change and delete tasks side by side, and remember what they were told was accepted."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

import httpx
import msgspec

from tests.running import until

TRIES = 200  # of one request; with the pause between them, far longer than anything here is away
PAUSE = 0.1


class Known(msgspec.Struct):
    """A task as its client last had it acknowledged."""

    id: int
    title: str
    expiry_dt: datetime | None
    deleted: bool = False


class Load:
    """A bounded load with a seed. Each client changes its own tasks only, so it knows what each must be.

    A request that is refused for the moment (503) or whose connection breaks is sent again, creations with the same
    Idempotency-Key, until it is accepted. `statuses` counts the answers, `broken` tells the connections that broke.
    """

    def __init__(self, urls: list[str], *, seed: int, clients: int = 8, requests: int = 1000) -> None:
        self.urls = urls
        self.done = 0
        self.total = requests
        self.statuses: dict[int, int] = {}
        self.broken: list[str] = []
        self.retry_after_missing = 0
        self.tasks: dict[int, Known] = {}
        self._seed = seed
        self._clients = clients
        self._made = 0
        self._start = datetime.now(UTC)

    async def run(self) -> None:
        async with httpx.AsyncClient(timeout=20) as http, asyncio.TaskGroup() as group:
            for client in range(self._clients):
                chance = random.Random(f"{self._seed} {client}")
                group.create_task(self._client(http, chance, client))

    async def reached(self, requests: int) -> None:
        """Wait until so many requests were accepted."""

        async def enough() -> bool:
            return self.done >= requests

        await until(enough, f"{requests} requests were accepted", 60)

    async def _client(self, http: httpx.AsyncClient, chance: random.Random, client: int) -> None:
        own: list[Known] = []
        while self.done < self.total:
            act = chance.random()
            if act < 0.6 or not own:
                own.append(await self._create(http, chance, client))
            elif act < 0.85:
                await self._change(http, chance, chance.choice(own))
            else:
                await self._delete(http, chance, own.pop(chance.randrange(len(own))))
            self.done += 1

    def _expiry(self, chance: random.Random) -> datetime | None:
        """Never, long ago, or such that its notice (15 min before) is due within a few seconds; no two are the same."""
        self._made += 1
        kind = chance.randrange(3)
        if kind == 0:
            return None
        offset = -timedelta(days=1) if kind == 1 else timedelta(minutes=15, seconds=chance.uniform(0, 4))
        return self._start.replace(microsecond=0) + offset + timedelta(milliseconds=self._made)

    async def _create(self, http: httpx.AsyncClient, chance: random.Random, client: int) -> Known:
        expiry = self._expiry(chance)
        title = f"task {self._made} of client {client}"
        body = {"title": title, "expiry_dt": expiry.isoformat() if expiry else None}
        headers = {"idempotency-key": f"{self._seed}-{self._made}"}
        answer = await self._send(http, chance, "POST", "/v1/tasks", body, headers, expected=(201,))
        made = Known(answer.json()["id"], title, expiry)
        assert made.id not in self.tasks, "an id was given twice"
        self.tasks[made.id] = made
        return made

    async def _change(self, http: httpx.AsyncClient, chance: random.Random, task: Known) -> None:
        n = self.done
        body: dict[str, str | None] = {"title": f"changed {n}"}
        if chance.random() < 0.5:
            task.expiry_dt = self._expiry(chance)
            body["expiry_dt"] = task.expiry_dt.isoformat() if task.expiry_dt else None
        await self._send(http, chance, "PATCH", f"/v1/tasks/{task.id}", body, {}, expected=(200,))
        task.title = f"changed {n}"

    async def _delete(self, http: httpx.AsyncClient, chance: random.Random, task: Known) -> None:
        await self._send(http, chance, "DELETE", f"/v1/tasks/{task.id}", None, {}, expected=(204, 404))
        task.deleted = True

    async def _send(
        self,
        http: httpx.AsyncClient,
        chance: random.Random,
        method: str,
        path: str,
        body: object,
        headers: dict[str, str],
        *,
        expected: tuple[int, ...],
    ) -> httpx.Response:
        """Send it to any API process until it is accepted. 404 is a deletion's only answer to its own repetition."""
        repeated = False
        for _ in range(TRIES):
            try:
                answer = await http.request(method, chance.choice(self.urls) + path, json=body, headers=headers)
            except httpx.TransportError as error:
                self.broken.append(f"{method} {path}: {error!r}")
            else:
                self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
                if answer.status_code in expected and (answer.status_code != 404 or repeated):
                    return answer
                again = answer.status_code in (503, 409)
                assert again, f"{method} {path}: {answer.status_code} {answer.text}"
                self.retry_after_missing += "retry-after" not in answer.headers
            repeated = True
            await asyncio.sleep(PAUSE)
        raise AssertionError(f"{method} {path} was not accepted in {TRIES} attempts")
