"""Idempotency-Key: a request that is sent again is carried out once."""

import asyncio
from collections import Counter

import httpx
import pytest

import duestream.batches
from duestream.batches import create_many
from duestream.journal import Accepted, Command, Journal
from tests.running import Service, running
from tests.stores import Store

NEW = {"title": "water the plants", "expiry_dt": "2030-01-01T00:00:00Z"}


def key(text: str) -> dict[str, str]:
    return {"idempotency-key": text}


async def listed(http: httpx.AsyncClient) -> list[dict[str, object]]:
    tasks: list[dict[str, object]] = (await http.get("/v1/tasks", params={"limit": 10_000})).json()["tasks"]
    return tasks


@pytest.mark.parametrize("many", [0, 1, 3, 1201])
async def test_the_same_request_gets_the_same_answer_again(service: Service, many: int) -> None:
    body = [{"title": f"task {n}"} for n in range(many)] if many else NEW

    first = await service.http.post("/v1/tasks", json=body, headers=key("k"))
    again = await service.http.post("/v1/tasks", json=body, headers=key("k"))

    assert first.status_code == again.status_code == 201
    assert again.json() == first.json()
    assert [again.headers.get(name) for name in ("location", "etag")] == [
        first.headers.get(name) for name in ("location", "etag")
    ]
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
    assert len(await listed(service.http)) == (many or 1)


async def test_the_answer_is_the_first_one_also_after_the_task_has_changed(service: Service) -> None:
    first = await service.http.post("/v1/tasks", json=NEW, headers=key("k"))
    await service.http.patch(first.headers["location"], json={"title": "changed"})

    again = await service.http.post("/v1/tasks", json=NEW, headers=key("k"))

    assert again.json() == first.json()


@pytest.mark.parametrize("many", [1, 600])
async def test_the_same_key_with_another_payload_is_refused(service: Service, many: int) -> None:
    await service.http.post("/v1/tasks", json=[NEW] * many, headers=key("k"))

    others = [
        await service.http.post("/v1/tasks", json=NEW, headers=key("k")),
        await service.http.post("/v1/tasks", json=[{**NEW, "title": "other"}] * many, headers=key("k")),
        await service.http.post("/v1/tasks", json=[NEW] * (many + 1), headers=key("k")),
        await service.http.post("/v1/tasks", json=[NEW] * 700, headers=key("k")),
    ]

    for other in others:
        assert other.status_code == 422
        assert other.json()["errors"][0]["field"] == "Idempotency-Key"
    assert len(await listed(service.http)) == many


async def test_a_refused_request_does_not_use_its_key_up(valkey: Store) -> None:
    async with running(valkey) as service:
        refused = await service.http.post("/v1/tasks", json={"title": ""}, headers=key("k"))
        accepted = await service.http.post("/v1/tasks", json=NEW, headers=key("k"))

    assert (refused.status_code, accepted.status_code) == (422, 201)


@pytest.mark.parametrize(("text", "status"), [("", 422), ("x" * 256, 422), ("x" * 255, 201), ("a b ü", 201)])
async def test_a_key_has_one_to_255_characters(valkey: Store, text: str, status: int) -> None:
    async with running(valkey) as service:
        answer = await service.http.post("/v1/tasks", json=NEW, headers=[(b"idempotency-key", text.encode("latin-1"))])

    assert answer.status_code == status
    assert status == 201 or answer.json()["errors"][0]["field"] == "Idempotency-Key"


async def test_of_many_at_once_one_creates_and_the_others_get_its_answer_or_are_told_to_wait(store: Store) -> None:
    async with running(store) as service, running(store, "api") as other:
        clients = [service.http, other.http] * 6

        answers = await asyncio.gather(
            *(client.post("/v1/tasks", json=[NEW] * 900, headers=key("k")) for client in clients)
        )

        assert {answer.status_code for answer in answers} <= {201, 409}
        created = [answer for answer in answers if answer.status_code == 201]
        assert Counter("idempotent-replayed" in answer.headers for answer in created)[False] == 1
        assert all(answer.json() == created[0].json() for answer in created)
        for answer in answers:
            if answer.status_code == 409:
                assert answer.headers["retry-after"] == "1"
                assert answer.json()["type"] == "urn:duestream:problem:in-flight"
        assert len(await listed(other.http)) == 900


async def test_a_request_whose_first_sending_is_under_way_is_told_so(
    valkey: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(journal: Journal, command: Command) -> Accepted:
        arrived.set()
        await go_on.wait()
        return await create_many(journal, command)

    monkeypatch.setattr(duestream.batches, "create_many", slowly)
    async with running(valkey) as service:
        first = asyncio.create_task(service.http.post("/v1/tasks", json=NEW, headers=key("k")))
        await arrived.wait()
        during = await service.http.post("/v1/tasks", json=NEW, headers=key("k"))
        go_on.set()
        answered = await first
        after = await service.http.post("/v1/tasks", json=NEW, headers=key("k"))

    assert (during.status_code, during.headers["retry-after"]) == (409, "1")
    assert during.json()["errors"][0]["field"] == "Idempotency-Key"
    assert after.json() == answered.json()


async def test_a_key_belongs_to_the_api_key_that_sent_it(valkey: Store) -> None:
    async with running(valkey, api_keys="ann=ann-secret,bob=bob-secret") as service:
        ann, bob = ({**key("k"), "authorization": f"Bearer {name}-secret"} for name in ("ann", "bob"))

        hers = await service.http.post("/v1/tasks", json=NEW, headers=ann)
        his = await service.http.post("/v1/tasks", json={"title": "other"}, headers=bob)
        hers_again = await service.http.post("/v1/tasks", json=NEW, headers=ann)

    assert hers.json()["id"] != his.json()["id"]
    assert hers_again.json() == hers.json()
