"""Many jobs in one request: all are taken in, or none."""

import json
from typing import Any

import httpx
import pytest

from tests.integration.job_calls import NO_RUNNER, box, quick, reached
from tests.running import Service, running
from tests.stores import Store

NDJSON = {"content-type": "application/x-ndjson"}


async def listed(http: httpx.AsyncClient) -> list[dict[str, Any]]:
    """All jobs, oldest first."""
    jobs: list[dict[str, Any]] = []
    url = "/v1/jobs?limit=1000&order=oldest"
    while url:
        answer = await http.get(url)
        jobs += answer.json()["jobs"]
        url = answer.links.get("next", {}).get("url", "")
    return jobs


@pytest.mark.parametrize("many", [1, 3, 501, 1234])
async def test_an_array_is_taken_in_its_order_and_all_of_it_runs(service: Service, many: int) -> None:
    http = service.http

    taken = await http.post("/v1/jobs", json=[quick("x" * (n % 7)) for n in range(many)])

    assert taken.status_code == 202
    ids = taken.json()["ids"]
    assert ids == sorted(set(ids))
    assert len(ids) == many
    last = await reached(http, f"/v1/jobs/{ids[-1]}")
    assert last["result"] == (many - 1) % 7
    for n in (0, many // 2):
        assert (await reached(http, f"/v1/jobs/{ids[n]}"))["result"] == n % 7
    assert [job["id"] for job in await listed(http)] == ids


async def test_lines_are_taken_and_may_be_of_every_sort(store: Store) -> None:
    jobs = [quick(), box(), {**quick(), "delay": "1h"}, {**box(), "run_at": "2099-01-01T00:00:00Z"}]
    async with running(store, *NO_RUNNER) as service:
        taken = await service.http.post("/v1/jobs", content="\n".join(map(json.dumps, jobs)), headers=NDJSON)

        found = await listed(service.http)

    assert taken.status_code == 202
    assert [job["id"] for job in found] == taken.json()["ids"]
    assert [job["status"] for job in found] == ["queued", "queued", "scheduled", "scheduled"]
    assert ["image" in job for job in found] == [False, True, False, True]


async def test_ten_thousand_are_taken_and_one_more_is_not(valkey: Store) -> None:
    line = b'{"handler":"length","payload":"","delay":"1h"}\n'
    async with running(valkey, *NO_RUNNER) as service:
        refused = await service.http.post("/v1/jobs", content=line * 10_001, headers=NDJSON)
        taken = await service.http.post("/v1/jobs", content=line * 10_000, headers=NDJSON)

        found = await listed(service.http)

    assert refused.status_code == 422
    assert refused.json()["errors"] == [{"field": "body", "message": "expected 1 to 10,000 items, got 10,001"}]
    assert [job["id"] for job in found] == taken.json()["ids"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"handler": ""}, "[1].handler"),
        ({"handlr": "length"}, "[1].handlr"),
        ({"handler": "length", "image": "busybox"}, "[1].image"),
        ({"handler": "length", "memory": "1g"}, "[1].memory"),
        ({"handler": "length", "delay": "soon"}, "[1].delay"),
        ({"handler": "length", "unique": "x"}, "[1].unique"),
    ],
)
async def test_of_many_with_one_that_is_wrong_none_is_taken(valkey: Store, wrong: dict[str, str], field: str) -> None:
    async with running(valkey, *NO_RUNNER) as service:
        refused = await service.http.post("/v1/jobs", json=[quick(), wrong, quick()])

        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] == field
        assert await listed(service.http) == []


@pytest.mark.parametrize("many", [3, 1201])
async def test_the_same_request_gets_the_same_ids_again(store: Store, many: int) -> None:
    key = {"idempotency-key": "k"}
    async with running(store, *NO_RUNNER) as service:
        http = service.http
        first = await http.post("/v1/jobs", json=[quick()] * many, headers=key)
        again = await http.post("/v1/jobs", json=[quick()] * many, headers=key)
        other = await http.post("/v1/jobs", json=[quick()] * (many - 1), headers=key)

        assert again.json() == first.json()
        assert again.headers["idempotent-replayed"] == "true"
        assert other.status_code == 422
        assert [job["id"] for job in await listed(http)] == first.json()["ids"]
