"""GET /v1/tasks: order, pages and filters, the same whatever the number of shards."""

import httpx
import pytest

from tests.running import Service

DATES = (
    None,
    "2030-01-01T00:00:00Z",
    "2030-01-02T00:00:00Z",
    "2030-01-03T00:00:00.000001Z",
)


async def fill(http: httpx.AsyncClient, many: int) -> list[int]:
    """Ids, in order, of tasks that were created one by one."""
    ids: list[int] = []
    for n in range(many):
        answer = await http.post(
            "/v1/tasks", json={"title": f"{'even' if n % 2 else 'odd'} {n}", "expiry_dt": DATES[n % 4]}
        )
        ids.append(answer.json()["id"])
    return sorted(ids)


async def ids_of(http: httpx.AsyncClient, **parameters: str | int) -> list[int]:
    answer = await http.get("/v1/tasks", params=parameters)
    assert answer.status_code == 200, answer.text
    return [task["id"] for task in answer.json()["tasks"]]


async def walk(http: httpx.AsyncClient, **parameters: str | int) -> list[list[int]]:
    """The pages that the Link headers lead to."""
    pages: list[list[int]] = []
    answer = await http.get("/v1/tasks", params=parameters)
    while True:
        pages.append([task["id"] for task in answer.json()["tasks"]])
        if "next" not in answer.links:
            return pages
        answer = await http.get(answer.links["next"]["url"])


async def test_pages_lead_through_all_tasks_in_order_of_id(service: Service) -> None:
    ids = await fill(service.http, 23)

    assert await ids_of(service.http) == ids
    assert await walk(service.http, limit=5) == [ids[n : n + 5] for n in range(0, 23, 5)]
    assert await walk(service.http, limit=23) == [ids]
    assert await ids_of(service.http, limit=4, offset=7) == ids[7:11]
    assert await ids_of(service.http, offset=22) == ids[22:]
    assert await ids_of(service.http, offset=1000) == []
    assert await walk(service.http, limit=10, offset=5) == [ids[5:15], ids[15:]]


async def test_a_walk_meets_each_task_once_while_others_come_and_go(service: Service) -> None:
    http = service.http
    ids = await fill(http, 12)
    first = await http.get("/v1/tasks", params={"limit": 4})

    await http.delete(f"/v1/tasks/{ids[0]}")
    await http.delete(f"/v1/tasks/{ids[5]}")
    added = await fill(http, 4)

    rest = await http.get(first.links["next"]["url"].replace("limit=4", "limit=100"))
    expected = {*ids[4:], *(id for id in added if id > ids[3])} - {ids[5]}
    assert [task["id"] for task in rest.json()["tasks"]] == sorted(expected)


async def test_filters_and_pages_go_together(service: Service) -> None:
    http = service.http
    ids = await fill(http, 24)
    tasks = (await http.get("/v1/tasks")).json()["tasks"]
    early = [task["id"] for task in tasks if task["expiry_dt"] == DATES[1]]
    even = [task["id"] for task in tasks if task["title"].startswith("even")]

    assert await ids_of(http, expires_before=str(DATES[2])) == early
    assert await ids_of(http, expires_after=str(DATES[1]), expires_before=str(DATES[3]), title="odd") == [
        task["id"] for task in tasks if task["expiry_dt"] == DATES[2] and task["title"].startswith("odd")
    ]
    assert await ids_of(http, expires_after="2030-01-03") == [
        id for id, task in zip(ids, tasks, strict=True) if task["expiry_dt"] == DATES[3]
    ]
    assert await walk(http, title="even", limit=5) == [even[:5], even[5:10], even[10:]]
    assert await ids_of(http, title="even", offset=3, limit=2) == even[3:5]
    assert await ids_of(http, title="nothing") == []


@pytest.mark.parametrize("store", ["valkey"], indirect=True)
@pytest.mark.parametrize("written", ["2030-01-02T01:00:00+01:00", "2030-01-02T01:00:00%2B01:00", "2030-01-02T00:00Z"])
async def test_an_offset_need_not_be_quoted_in_a_query(service: Service, written: str) -> None:
    await fill(service.http, 8)

    answer = await service.http.get(f"/v1/tasks?expires_before={written}")

    assert [task["expiry_dt"] for task in answer.json()["tasks"]] == [DATES[1]] * 2
