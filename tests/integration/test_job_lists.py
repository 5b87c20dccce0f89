"""Lists of jobs: filters, order and pages."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.integration.job_calls import NO_RUNNER, box, quick, submit
from tests.running import Service, running
from tests.stores import Store


async def ids(http: httpx.AsyncClient, **parameters: str | int) -> list[str]:
    answer = await http.get("/v1/jobs", params=parameters)
    assert answer.status_code == 200, answer.text
    return [job["id"] for job in answer.json()["jobs"]]


async def test_pages_hold_every_job_once_in_order(store: Store) -> None:
    async with running(store, *NO_RUNNER) as service:
        http = service.http
        made = [(await submit(http, {**quick(), "delay": "1h"} if n % 3 else box()))[-32:] for n in range(25)]
        paged: dict[str, list[str]] = {"newest": [], "oldest": []}
        for order, found in paged.items():
            url = f"/v1/jobs?limit=7&order={order}"
            while url:
                answer = await http.get(url)
                page = [job["id"] for job in answer.json()["jobs"]]
                assert 1 <= len(page) <= 7
                found += page
                url = answer.links.get("next", {}).get("url", "")

        assert sorted(paged["oldest"]) == sorted(made)
        assert paged["oldest"] == sorted(made)
        assert paged["newest"] == paged["oldest"][::-1]
        assert await ids(http) == paged["newest"]


async def test_jobs_are_found_by_what_they_are(store: Store) -> None:
    async with running(store, *NO_RUNNER) as service:
        http = service.http
        wait = {"delay": "1h"}
        one = (await submit(http, quick()))[-32:]
        two = (await submit(http, {"handler": "other", "queue": "slow", **wait}))[-32:]
        three = (await submit(http, box()))[-32:]
        four = (await submit(http, {"image": "alpine", "queue": "slow"}))[-32:]
        five = (await submit(http, quick()))[-32:]
        await http.delete(f"/v1/jobs/{five}")

        assert await ids(http, status="canceled") == [five]
        assert await ids(http, status="scheduled,canceled") == [five, two]
        assert await ids(http, handler="length", order="oldest") == sorted([one, five])
        assert await ids(http, queue="slow", order="oldest") == sorted([two, four])
        assert await ids(http, image="busybox:1.36") == [three]
        assert await ids(http, image="alpine", queue="default") == []
        assert await ids(http, image="alpine", status="queued", queue="slow", limit=1) == [four]
        assert await ids(http, consistency="eventual", status="running") == []


async def test_jobs_are_found_by_their_times(store: Store) -> None:
    async with running(store, *NO_RUNNER) as service:
        http = service.http
        now = (await http.post("/v1/jobs", json=box())).json()
        later = (await http.post("/v1/jobs", json=box(run_at="2098-01-01T00:00:00.5Z"))).json()
        at = datetime.fromisoformat(now["create_dt"])
        before, after = (at - timedelta(milliseconds=1)).isoformat(), (at + timedelta(days=1)).isoformat()

        assert await ids(http, created_after=now["create_dt"], created_before=now["create_dt"]) == []
        assert now["id"] not in await ids(http, created_after=now["create_dt"])
        assert now["id"] not in await ids(http, created_before=now["create_dt"])
        assert now["id"] in await ids(http, created_after=before, created_before=after)
        assert await ids(http, run_after=after) == [later["id"]]
        assert await ids(http, run_before=after) == [now["id"]]
        assert await ids(http, run_after="2098-01-01T00:00:00.5Z") == []
        assert await ids(http, run_before="2098-01-01T00:00:00.500001Z", run_after=after) == [later["id"]]


async def test_a_list_shows_what_was_acknowledged(store: Store) -> None:
    async with running(store, *NO_RUNNER) as service:
        http = service.http
        for n in range(20):
            at = await submit(http, box())
            assert at[-32:] in await ids(http, status="queued")
            await http.delete(at)
            assert await ids(http, status="queued") == []
            assert len(await ids(http, status="canceled")) == n + 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"status": "done"}, "status"),
        ({"status": ""}, "status"),
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"order": "up"}, "order"),
        ({"cursor": "dGFza3M6Nw"}, "cursor"),
        ({"cursor": "é"}, "cursor"),
        ({"created_after": "yesterday"}, "created_after"),
        ({"statuses": "queued"}, "statuses"),
        ({"consistency": "some"}, "consistency"),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_list_refuses_by_name(shared: Service, query: dict[str, Any], field: str) -> None:
    refused = await shared.http.get("/v1/jobs", params=query)

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == field
