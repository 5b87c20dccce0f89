"""Tasks over HTTP, from the call to what is read back, on each sort of store."""

import asyncio
from collections import Counter

import httpx
import pytest

from tests.running import Service, running, until
from tests.stores import Store

UNKNOWN = "/v1/tasks/999999"


async def create(http: httpx.AsyncClient, **fields: str | None) -> dict[str, object]:
    """A task that was created, as it was answered."""
    created = await http.post("/v1/tasks", json={"title": "water the plants", **fields})
    assert created.status_code == 201, created.text
    task: dict[str, object] = created.json()
    return task


async def test_a_created_task_is_read_back_whole(service: Service) -> None:
    created = await service.http.post("/v1/tasks", json={"title": "water the plants"})

    assert created.status_code == 201
    read = await service.http.get(created.headers["location"])
    assert read.json() == created.json()
    assert read.headers["etag"] == created.headers["etag"] == '"1"'


async def test_a_task_lives_from_creation_over_changes_to_deletion(service: Service) -> None:
    http = service.http
    task = await create(http, description="all", expiry_dt="2030-12-24T18:30:00+01:00")
    at = f"/v1/tasks/{task['id']}"
    assert task["expiry_dt"] == "2030-12-24T17:30:00Z"

    patched = await http.patch(at, json={"description": None})
    put = await http.put(at, json={"title": "and the cat", "expiry_dt": None})

    assert patched.json() == {**task, "description": None, "update_dt": patched.json()["update_dt"]}
    assert put.json() == {
        **patched.json(),
        "title": "and the cat",
        "expiry_dt": None,
        "update_dt": put.json()["update_dt"],
    }
    assert put.headers["etag"] == '"3"'
    assert (await http.get(at)).json() == put.json()
    history = (await http.get(f"{at}/events")).json()["events"]
    assert [(each["type"], each["rev"], each["by"]) for each in history] == [
        ("task.created", 1, "anonymous"),
        ("task.updated", 2, "anonymous"),
        ("task.updated", 3, "anonymous"),
    ]
    assert history[0]["data"]["title"] == "water the plants"

    deleted = await http.delete(at)

    assert deleted.status_code == 204
    for answer in (await http.get(at), await http.patch(at, json={"title": "x"}), await http.delete(at)):
        assert answer.status_code == 404
    history = (await http.get(f"{at}/events")).json()["events"]
    assert history[-1]["type"] == "task.deleted"


async def test_deleting_all_leaves_none_and_new_ones_get_new_ids(service: Service) -> None:
    http = service.http
    before = [await create(http) for _ in range(10)]

    cleared = await http.delete("/v1/tasks")

    assert cleared.json() == {"deleted": 10}
    assert (await http.get("/v1/tasks")).json() == {"tasks": []}
    assert (await http.get(f"/v1/tasks/{before[0]['id']}")).status_code == 404
    after = [await create(http) for _ in range(10)]
    assert not {each["id"] for each in before} & {each["id"] for each in after}
    assert (await http.delete("/v1/tasks")).json() == {"deleted": 10}
    assert (await http.delete("/v1/tasks")).json() == {"deleted": 0}


async def test_a_write_through_one_process_is_read_through_another_at_once(store: Store) -> None:
    async with running(store) as service, running(store, "api") as other:

        async def write_and_read(n: int) -> None:
            here, there = (service.http, other.http) if n % 2 else (other.http, service.http)
            task = await create(here, title=f"task {n}")
            at = f"/v1/tasks/{task['id']}"
            assert (await there.get(at)).json() == task
            updated = (await there.patch(at, json={"description": str(n)})).json()
            assert (await here.get(at)).json() == updated
            listed = (await there.get("/v1/tasks", params={"title": f"task {n}"})).json()["tasks"]
            assert updated in listed

        await asyncio.gather(*(write_and_read(n) for n in range(30)))


async def test_many_changes_at_once_of_different_fields_lose_nothing(service: Service) -> None:
    http = service.http
    at = f"/v1/tasks/{(await create(http))['id']}"

    answers = await asyncio.gather(
        *(http.patch(at, json={"title": f"title {n}"}) for n in range(8)),
        *(http.patch(at, json={"description": f"description {n}"}) for n in range(8)),
        http.patch(at, json={"expiry_dt": "2030-01-01T00:00:00Z"}),
    )

    assert Counter(answer.status_code for answer in answers) == {200: 17}
    assert sorted(answer.headers["etag"] for answer in answers) == sorted(f'"{n}"' for n in range(2, 19))
    read = await http.get(at)
    newest = max(answers, key=lambda answer: int(answer.headers["etag"].strip('"')))
    assert read.json() == newest.json()
    assert read.json()["title"].startswith("title ")
    assert read.json()["description"].startswith("description ")
    assert read.json()["expiry_dt"] == "2030-01-01T00:00:00Z"


@pytest.mark.asyncio(loop_scope="module")
async def test_what_changes_nothing_makes_no_event(shared: Service) -> None:
    http = shared.http
    task = await create(http, expiry_dt="2030-01-01T00:00:00Z")
    at = f"/v1/tasks/{task['id']}"

    answers = [
        await http.patch(at, json={}),
        await http.patch(at, json={"title": task["title"]}),
        await http.patch(at, json={"expiry_dt": "2030-01-01T01:00:00+01:00"}),
    ]

    assert [answer.json() for answer in answers] == [task] * 3
    assert (await http.get(at)).headers["etag"] == '"1"'


@pytest.mark.asyncio(loop_scope="module")
async def test_a_form_creates_a_task_with_a_time_whose_plus_sign_was_not_quoted(shared: Service) -> None:
    sent = "title=buy+milk&description=&expiry_dt=2030-12-24T18:30:00+01:00"

    form = {"content-type": "application/x-www-form-urlencoded"}
    created = await shared.http.post("/v1/tasks", content=sent, headers=form)
    multipart = await shared.http.post("/v1/tasks", files={"title": (None, "grüße"), "description": (None, "null")})

    assert created.status_code == multipart.status_code == 201
    assert (created.json()["title"], created.json()["description"]) == ("buy milk", None)
    assert created.json()["expiry_dt"] == "2030-12-24T17:30:00Z"
    assert (multipart.json()["title"], multipart.json()["description"]) == ("grüße", "null")


async def test_a_time_without_an_offset_is_in_the_configured_zone(valkey: Store) -> None:
    async with running(valkey, time_zone="Asia/Kolkata") as service:
        task = await create(service.http, expiry_dt="2030-01-01T05:30")
        shown = await service.http.get("/v1/tasks", params={"expires_before": "2030-01-01 05:31"})

    assert task["expiry_dt"] == "2030-01-01T00:00:00Z"
    assert shown.json()["tasks"] == [task]


@pytest.mark.asyncio(loop_scope="module")
async def test_any_text_is_kept_as_it_is(shared: Service) -> None:
    for title in ("\0", "a\nb", "<script>", "'; DROP TABLE tasks", "😀" * 50, "{{7*7}}", " ", '"', "ds:{0}:tasks"):
        task = await create(shared.http, title=title, description=title)

        read = (await shared.http.get(f"/v1/tasks/{task['id']}")).json()
        assert (read["title"], read["description"]) == (title, title)


async def test_a_read_that_may_be_old_is_answered_while_nothing_projects(valkey: Store) -> None:
    async with running(valkey, "api") as service:
        task = await create(service.http)
        at = f"/v1/tasks/{task['id']}"

        strong, eventual = await asyncio.gather(
            service.http.get(at), service.http.get(at, params={"consistency": "eventual"})
        )
        strong_list, eventual_list = await asyncio.gather(
            service.http.get("/v1/tasks"), service.http.get("/v1/tasks", params={"consistency": "eventual"})
        )

        assert (strong.status_code, strong_list.status_code) == (503, 503)
        assert strong.headers["retry-after"] == strong_list.headers["retry-after"] == "1"
        assert (eventual.status_code, eventual_list.json()) == (404, {"tasks": []})

        async with running(valkey, "projector"):

            async def caught_up() -> bool:
                return (await service.http.get(at, params={"consistency": "eventual"})).status_code == 200

            await until(caught_up, "the task is projected")


@pytest.mark.asyncio(loop_scope="module")
async def test_reads_can_be_asked_for_their_head_only(shared: Service) -> None:
    task = await create(shared.http)

    for path in (f"/v1/tasks/{task['id']}", "/v1/tasks", "/v1/events", "/v1/health", UNKNOWN):
        got = None if path == "/v1/events" else await shared.http.get(path)
        head = await shared.http.head(path)
        assert head.content == b""
        assert got is None or head.status_code == got.status_code
