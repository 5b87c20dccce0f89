"""Many tasks in one request: created all or none, changed where they exist, deleted all."""

import asyncio
import json

import httpx
import pytest

from tests.running import Service, running
from tests.stores import Store

pytestmark = pytest.mark.asyncio(loop_scope="module")

NDJSON = {"content-type": "application/x-ndjson"}


async def count(http: httpx.AsyncClient) -> int:
    """How many tasks there are, by the list."""
    counted = 0
    url = "/v1/tasks?limit=10000"
    while url:
        answer = await http.get(url)
        counted += len(answer.json()["tasks"])
        url = answer.links.get("next", {}).get("url", "")
    return counted


async def empty(shared: Service) -> httpx.AsyncClient:
    """A client of the service, in which there are no tasks."""
    await shared.http.delete("/v1/tasks")
    return shared.http


@pytest.mark.parametrize("many", [1, 2, 500, 501, 1234])
async def test_an_array_creates_many_in_its_order(shared: Service, many: int) -> None:
    http = await empty(shared)
    news = [{"title": f"task {n}", "description": str(n), "expiry_dt": "2030-01-01T00:00:00Z"} for n in range(many)]

    created = await http.post("/v1/tasks", json=news)

    assert created.status_code == 201
    tasks = created.json()["tasks"]
    assert [(task["title"], task["description"]) for task in tasks] == [(n["title"], n["description"]) for n in news]
    assert len({task["id"] for task in tasks}) == many
    listed = (await http.get("/v1/tasks", params={"limit": 10_000})).json()["tasks"]
    assert listed == sorted(tasks, key=lambda task: int(task["id"]))
    assert (await http.get(f"/v1/tasks/{tasks[-1]['id']}")).json() == tasks[-1]


async def test_lines_create_many(shared: Service) -> None:
    http = await empty(shared)
    lines = "\n".join(json.dumps({"title": f"task {n}"}) for n in range(3)) + "\n"

    created = await http.post("/v1/tasks", content=lines, headers=NDJSON)

    assert created.status_code == 201
    assert [task["title"] for task in created.json()["tasks"]] == ["task 0", "task 1", "task 2"]


async def test_ten_thousand_are_taken_and_one_more_is_not(shared: Service) -> None:
    http = await empty(shared)
    line = b'{"title":"x"}\n'

    refused = await http.post("/v1/tasks", content=line * 10_001, headers=NDJSON)
    taken = await http.post("/v1/tasks", content=line * 10_000, headers=NDJSON)

    assert refused.status_code == 422
    assert refused.json()["errors"] == [{"field": "body", "message": "expected 1 to 10,000 items, got 10,001"}]
    assert (taken.status_code, len(taken.json()["tasks"])) == (201, 10_000)
    assert await count(http) == 10_000
    assert (await http.delete("/v1/tasks")).json() == {"deleted": 10_000}
    assert await count(http) == 0


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        ("application/json", '[{"title": "x"}, {"title": ""}]', "[1].title"),
        ("application/x-ndjson", '{"title": "x"}\n{"titel": "y"}\n', "[1].titel"),
        ("application/x-ndjson", '{"title": "x"}\n{"title": ', "body"),
        ("application/x-ndjson", "\n", "body"),
        ("application/x-ndjson", '[{"title": "x"}]', "[0]"),
    ],
)
async def test_of_many_with_one_that_is_wrong_none_is_created(
    shared: Service, kind: str, body: str, field: str
) -> None:
    http = await empty(shared)

    refused = await http.post("/v1/tasks", content=body, headers={"content-type": kind})

    assert refused.status_code in (400, 422)
    assert refused.json()["errors"][0]["field"] == field
    assert await count(http) == 0


async def test_many_are_changed_and_ids_that_do_not_exist_are_named(store: Store) -> None:
    async with running(store) as service:
        http = service.http
        news = [{"title": f"task {n}", "description": "d"} for n in range(40)]
        tasks = (await http.post("/v1/tasks", json=news)).json()["tasks"]
        await http.delete(f"/v1/tasks/{tasks[3]['id']}")
        edits = [{"id": task["id"], "title": f"new {task['id']}", "description": None} for task in tasks]

        changed = await http.put("/v1/tasks", json={"tasks": [{"id": 10**14, "title": "x"}, *edits]})

        assert changed.status_code == 200
        assert changed.json()["discarded"] == [10**14, tasks[3]["id"]]
        assert [(task["id"], task["title"], task["description"]) for task in changed.json()["tasks"]] == [
            (edit["id"], edit["title"], None) for n, edit in enumerate(edits) if n != 3
        ]
        listed = (await http.get("/v1/tasks")).json()["tasks"]
        assert listed == sorted(changed.json()["tasks"], key=lambda task: int(task["id"]))


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ('{"id": 1, "title": ""}', "tasks[1].title"),
        ('{"id": 1, "expiry_dt": "never"}', "tasks[1].expiry_dt"),
        ('{"id": 1, "titel": "x"}', "tasks[1].titel"),
        ('{"title": "x"}', "tasks[1].id"),
        ('{"id": -1}', "tasks[1].id"),
        ('{"id": "1"}', "tasks[1].id"),
        ('{"id": 1.5}', "tasks[1].id"),
        ('{"id": 1ZEROS30}', "tasks[1].id"),
        ('{"id": 1ZEROS5000}', "tasks[1].id"),
        ('{"id": SAME, "title": "again"}', "tasks[1].id"),
        ("7", "tasks[1]"),
    ],
)
async def test_nothing_changes_where_one_item_is_malformed(shared: Service, item: str, field: str) -> None:
    task = (await shared.http.post("/v1/tasks", json={"title": "old"})).json()
    body = '{"tasks": [{"id": SAME, "title": "new"}, ITEM]}'.replace("ITEM", item).replace("SAME", str(task["id"]))
    body = body.replace("ZEROS5000", "0" * 5000).replace("ZEROS30", "0" * 30)

    refused = await shared.http.put("/v1/tasks", content=body, headers={"content-type": "application/json"})

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == field
    assert (await shared.http.get(f"/v1/tasks/{task['id']}")).json() == task


@pytest.mark.parametrize("body", [[], {}, {"tasks": {}}, {"tasks": None}, {"tasks": [], "more": 1}])
async def test_changes_come_in_an_object_with_an_array(shared: Service, body: object) -> None:
    assert (await shared.http.put("/v1/tasks", json=body)).status_code == 422


async def test_no_changes_are_no_mistake(shared: Service) -> None:
    assert (await shared.http.put("/v1/tasks", json={"tasks": []})).json() == {"tasks": [], "discarded": []}


async def test_changes_of_many_at_once_lose_nothing(shared: Service) -> None:
    http = await empty(shared)
    tasks = (await http.post("/v1/tasks", json=[{"title": "t"}] * 20)).json()["tasks"]
    ids = [task["id"] for task in tasks]

    answers = await asyncio.gather(
        *(http.put("/v1/tasks", json={"tasks": [{"id": id, "title": f"t{n}"} for id in ids]}) for n in range(4)),
        *(http.put("/v1/tasks", json={"tasks": [{"id": id, "description": f"d{n}"} for id in ids]}) for n in range(4)),
    )

    assert {answer.status_code for answer in answers} == {200}
    for id in ids:
        answer = await http.get(f"/v1/tasks/{id}")
        assert answer.headers["etag"] == '"9"'
        assert (answer.json()["title"][0], (answer.json()["description"] or "")[0]) == ("t", "d")
