"""Canceling jobs over HTTP: in every living status, one or many, and in races that the answers tell truly."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from duestream.jobs import JobStopped, JobSucceeded
from tests.integration.job_calls import NO_RUNNER, Hand, box, quick, reached, slow, submit
from tests.running import Service, running
from tests.stores import Store


@pytest.fixture
async def waiting(store: Store) -> AsyncIterator[Service]:
    """All processes but a runner, on an empty store of each sort."""
    async with running(store, *NO_RUNNER) as service:
        yield service


@pytest.mark.parametrize("job", [{**quick(), "delay": "1h"}, quick(), box(), box(delay=3600)])
async def test_what_has_not_begun_is_canceled_at_once(waiting: Service, job: dict[str, object]) -> None:
    http = waiting.http
    at = await submit(http, job)

    canceled = await http.delete(at)
    read = await http.get(at)
    again = await http.delete(at)

    assert (canceled.status_code, canceled.json()["status"]) == (200, "canceled")
    assert (read.json(), read.headers["etag"]) == (canceled.json(), canceled.headers["etag"])
    assert (again.status_code, again.json()["detail"]) == (409, f"job {at[-32:]} is over: it is canceled")
    keys = Hand(waiting).keys(at)
    assert await waiting.server.call("XLEN", keys.ready("default")) == 0
    assert await waiting.server.call("XLEN", keys.ready("default:containers")) == 0


async def test_a_running_handler_is_canceled_at_once(service: Service) -> None:
    http = service.http
    at = await submit(http, slow())
    await reached(http, at, "running")

    canceled = await http.delete(at)
    read = await http.get(at)

    assert (canceled.status_code, canceled.json()["status"]) == (200, "canceled")
    assert [attempt["outcome"] for attempt in canceled.json()["attempts"]] == ["canceled"]
    assert read.json() == canceled.json()


async def test_a_running_container_is_stopped_first_and_its_end_is_kept(waiting: Service) -> None:
    http, hand = waiting.http, Hand(waiting)
    at = await submit(http, box())
    await hand.start(at)

    canceling = await http.delete(at)
    read = await http.get(at)
    meanwhile = await http.delete(at)
    await hand.end(at, JobStopped(attempt=1, exit_code=143, image_digest="sha256:abc", limits={"memory": 1024}))
    stopped = await http.get(at)
    late = await http.delete(at)

    assert (canceling.status_code, canceling.json()["status"]) == (202, "canceling")
    assert read.json() == canceling.json()
    assert (meanwhile.status_code, meanwhile.json()) == (202, canceling.json())
    told = stopped.json()
    assert (told["status"], told["exit_code"], told["oom_killed"]) == ("canceled", 143, False)
    assert (told["image_digest"], told["limits"]) == ("sha256:abc", {"memory": 1024})
    assert late.status_code == 409


async def test_a_container_that_ends_while_it_is_stopped_keeps_its_own_end(waiting: Service) -> None:
    http, hand = waiting.http, Hand(waiting)
    at = await submit(http, box())
    await hand.start(at)
    await http.delete(at)

    await hand.end(at, JobSucceeded(attempt=1, exit_code=0))

    assert (await http.get(at)).json()["status"] == "succeeded"


async def test_whoever_cancels_at_any_moment_is_told_the_truth(service: Service) -> None:
    http = service.http
    jobs = [await submit(http, quick()) for _ in range(40)]

    answers = await asyncio.gather(*(http.delete(at) for at in jobs))
    ends = [await reached(http, at) for at in jobs]

    assert {answer.status_code for answer in answers} <= {200, 409}
    for answer, ended in zip(answers, ends, strict=True):
        assert ended["status"] == ("canceled" if answer.status_code == 200 else "succeeded")
        assert answer.status_code == 409 or answer.json() == ended


async def test_of_many_who_cancel_one_job_one_did(service: Service) -> None:
    http = service.http
    at = await submit(http, slow())
    await reached(http, at, "running")

    answers = await asyncio.gather(*(http.delete(at) for _ in range(20)))

    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 19}


async def test_many_are_canceled_by_their_statuses(waiting: Service) -> None:
    http, hand = waiting.http, Hand(waiting)
    for _ in range(4):  # in several shards, where there are some
        await http.post("/v1/jobs", json=[quick()] * 300)
        await http.post("/v1/jobs", json=[{**quick(), "delay": "1h"}] * 5)
    boxes = [await submit(http, box()) for _ in range(4)]
    await hand.start(boxes[0])

    queued = await http.delete("/v1/jobs", params={"status": "queued"})
    left = (await http.get("/v1/jobs", params={"status": "scheduled,queued,running,canceling"})).json()["jobs"]
    rest = await http.delete("/v1/jobs", params={"status": "scheduled,running,queued"})
    nobody = await http.delete("/v1/jobs", params={"status": "scheduled,running,queued,retrying"})

    assert queued.json() == {"canceled": 1203}
    assert Counter(job["status"] for job in left) == {"scheduled": 20, "running": 1}
    assert rest.json() == {"canceled": 21}
    assert nobody.json() == {"canceled": 0}
    assert (await http.get(boxes[0])).json()["status"] == "canceling"
    assert (await http.get(boxes[1])).json()["status"] == "canceled"


async def test_many_running_handlers_are_canceled(service: Service) -> None:
    http = service.http
    ids = (await http.post("/v1/jobs", json=[slow()] * 60)).json()["ids"]
    for id in ids:
        await reached(http, f"/v1/jobs/{id}", "running")

    answer = await http.delete("/v1/jobs", params={"status": "running"})

    assert answer.json() == {"canceled": 60}
    assert (await http.get("/v1/jobs", params={"status": "running"})).json() == {"jobs": []}


@pytest.mark.parametrize("status", [None, "", "succeeded", "queued,", "canceling"])
async def test_many_are_canceled_only_by_statuses_that_can_be(valkey: Store, status: str | None) -> None:
    async with running(valkey, "api", "projector") as service:
        refused = await service.http.delete("/v1/jobs", params={} if status is None else {"status": status})

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "status"
