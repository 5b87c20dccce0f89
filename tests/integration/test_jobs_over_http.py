"""Jobs over HTTP: what is submitted runs, and everything known of it can be read."""

import re
from datetime import datetime, timedelta

import pytest

from tests.integration.job_calls import box, quick, reached, slow, submit
from tests.running import Service


async def test_a_job_is_accepted_runs_and_tells_its_result(service: Service) -> None:
    http = service.http

    accepted = await http.post("/v1/jobs", json=quick("hello"))
    at = accepted.headers["location"]
    ended = await reached(http, at)

    assert accepted.status_code == 202
    assert accepted.headers["etag"] == '"1"'
    assert re.fullmatch(r"/v1/jobs/[0-9a-f]{32}", at)
    assert accepted.json()["id"] == at[-32:]
    assert (accepted.json()["status"], accepted.json()["attempts"]) == ("queued", [])
    assert (ended["status"], ended["result"], ended["error"]) == ("succeeded", 5, None)
    assert ended["waited"] >= 0
    assert ended["ran"] >= 0
    [attempt] = ended["attempts"]
    assert (attempt["number"], attempt["outcome"], attempt["error"]) == (1, "succeeded", None)
    assert (attempt["start_dt"], attempt["end_dt"]) == (ended["start_dt"], ended["end_dt"])
    same = ("handler", "payload", "create_dt", "run_at", "retries", "backoff", "queue", "timeout", "unique")
    assert {name: ended[name] for name in same} == {name: accepted.json()[name] for name in same}


async def test_what_is_answered_at_first_is_what_is_read(service: Service) -> None:
    options = box(
        command=["sh", "-c", "true"], env={"A": "b"}, workdir="/tmp", user="1000", memory="64m", cpus=0.5,
        network="bridge", pull="never", delay="1h", timeout="2m30s", retries=3, backoff=0.5, queue="other",
        start_deadline="10m", unique="only one",
    )  # fmt: skip
    accepted = await service.http.post("/v1/jobs", json=options)

    read = await service.http.get(accepted.headers["location"])

    assert read.json() == accepted.json()
    assert read.headers["etag"] == accepted.headers["etag"]
    told = read.json()
    assert (told["memory"], told["timeout"], told["backoff"]) == (64 * 1024 * 1024, 150, 0.5)
    plain = ("image", "command", "env", "workdir", "user", "cpus", "network", "pull", "retries", "queue", "unique")
    assert {name: told[name] for name in plain} == {name: options[name] for name in plain}
    run_at, deadline = datetime.fromisoformat(told["run_at"]), datetime.fromisoformat(told["start_deadline"])
    assert run_at - datetime.fromisoformat(told["create_dt"]) == timedelta(hours=1)
    assert deadline - run_at == timedelta(minutes=10)
    assert (told["status"], told["limits"], told["exit_code"], told["oom_killed"]) == ("scheduled", None, None, False)
    assert "handler" not in told
    assert "payload" not in told


async def test_a_job_that_fails_tells_why_apart_from_results(service: Service) -> None:
    at = await submit(service.http, {"handler": "lenght"})

    ended = await reached(service.http, at)

    assert (ended["status"], ended["result"]) == ("failed", None)
    assert "did you mean length?" in ended["error"]
    assert ended["attempts"][-1]["error"] == ended["error"]


async def test_its_history_tells_what_happened(service: Service) -> None:
    at = await submit(service.http, quick())
    await reached(service.http, at)

    events = (await service.http.get(f"{at}/events")).json()["events"]

    assert [event["type"] for event in events] == ["job.submitted", "job.started", "job.succeeded"]
    assert [event["rev"] for event in events] == [1, 2, 3]
    assert events[0]["by"] == "anonymous"
    assert events[1]["by"].startswith("runner@")


async def test_who_has_the_newest_revision_is_told_so(service: Service) -> None:
    at = await submit(service.http, {**quick(), "delay": "1h"})
    first = await service.http.get(at)

    again = await service.http.get(at, headers={"if-none-match": first.headers["etag"]})
    await service.http.patch(at, json={"delay": "2h"})
    changed = await service.http.get(at, headers={"if-none-match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')


async def test_a_scheduled_job_can_be_moved_until_it_runs(service: Service) -> None:
    http = service.http
    at = await submit(http, {**quick(), "delay": "1h"})

    later = await http.patch(at, json={"run_at": "2099-01-01T00:00:00+01:00"})
    read = await http.get(at)
    now = await http.patch(at, json={"delay": 0})
    ended = await reached(http, at)
    late = await http.patch(at, json={"delay": "1h"})

    assert (later.status_code, later.json()["run_at"]) == (200, "2098-12-31T23:00:00Z")
    assert read.json() == later.json()
    assert now.status_code == 200
    assert ended["status"] == "succeeded"
    assert (late.status_code, late.json()["detail"]) == (
        409, f"job {at[-32:]} is succeeded: only a scheduled one can be rescheduled",
    )  # fmt: skip


async def test_a_change_can_be_bound_to_a_revision(service: Service) -> None:
    http = service.http
    at = await submit(http, {**quick(), "delay": "1h"})
    old = {"if-match": '"7"'}

    answers = [await http.patch(at, json={"delay": "2h"}, headers=old), await http.delete(at, headers=old)]

    assert [answer.status_code for answer in answers] == [412, 412]
    assert (await http.get(at)).headers["etag"] == '"1"'
    assert (await http.delete(at, headers={"if-match": '"1"'})).status_code == 200


async def test_a_job_that_is_over_can_be_run_again(service: Service) -> None:
    http = service.http
    at = await submit(http, quick("four"))
    await reached(http, at)

    again = await http.post(f"{at}/retry")

    assert (again.status_code, again.json()["status"], again.json()["result"]) == (202, "queued", None)
    assert again.headers["location"] == at
    ended = await reached(http, at)
    assert (ended["status"], ended["result"], len(ended["attempts"])) == ("succeeded", 4, 2)


async def test_a_job_that_lives_is_not_run_again(service: Service) -> None:
    at = await submit(service.http, {**quick(), "delay": "1h"})

    refused = await service.http.post(f"{at}/retry")

    assert refused.status_code == 409
    assert refused.json()["detail"] == f"job {at[-32:]} is scheduled: only one that is over can be run again"


async def test_of_the_living_jobs_one_has_a_unique_key(service: Service) -> None:
    http = service.http
    job = {**quick(), "delay": "1h", "unique": "nightly"}
    holder = await submit(http, job)

    others = [await http.post("/v1/jobs", json={**job, "delay": f"{n + 2}h"}) for n in range(8)]
    await http.delete(holder)
    after = await http.post("/v1/jobs", json=job)
    again = await http.post(f"{holder}/retry")

    assert {other.status_code for other in others} == {409}
    assert {other.json()["type"] for other in others} == {"urn:duestream:problem:not-unique"}
    assert all(holder[-32:] in other.json()["detail"] for other in others)
    assert after.status_code == 202
    assert (again.status_code, after.json()["id"] in again.json()["detail"]) == (409, True)


@pytest.mark.parametrize("key_text", ["k", "l", "m"])
async def test_the_same_request_is_carried_out_once(service: Service, key_text: str) -> None:
    http = service.http
    key = {"idempotency-key": key_text}
    job = {**quick(), "delay": "1h", "unique": "one"}

    first = await http.post("/v1/jobs", json=job, headers=key)
    again = await http.post("/v1/jobs", json=job, headers=key)
    others = [
        await http.post("/v1/jobs", json=other, headers=key)
        for other in (quick("other"), {**job, "unique": "two"}, {**job, "unique": "three"})
    ]

    assert (first.status_code, again.status_code, *(other.status_code for other in others)) == (202, 202, *[422] * 3)
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
    assert len((await http.get("/v1/jobs")).json()["jobs"]) == 1


@pytest.mark.parametrize("id", ["0" * 32, "7", "0" * 31 + "G", "x" * 32])
async def test_a_job_that_does_not_exist_is_not_found(service: Service, id: str) -> None:
    http, at = service.http, f"/v1/jobs/{id}"

    answers = [
        await http.get(at), await http.delete(at), await http.patch(at, json={"delay": 1}),
        await http.post(f"{at}/retry"), await http.get(f"{at}/events"), await http.get(f"{at}/log"),
    ]  # fmt: skip

    assert [answer.status_code for answer in answers] == [404] * 6
    assert all(id in answer.json()["detail"] for answer in answers)


async def test_jobs_are_told_as_events_and_counted(service: Service) -> None:
    http = service.http
    async with http.stream("GET", "/v1/events", params={"types": "job.started,job.succeeded", "since": "0"}) as stream:
        at = await submit(http, quick())
        lines = stream.aiter_lines()
        types: list[str] = []
        while len(types) < 2:
            line = await anext(lines)
            if line.startswith("event: "):
                types.append(line.removeprefix("event: "))
    await submit(http, {**slow(), "delay": "1h"})
    await reached(http, at)
    metrics = (await http.get("/metrics")).text

    assert types == ["job.started", "job.succeeded"]
    assert 'duestream_jobs{status="scheduled"} 1.0' in metrics
    assert 'duestream_jobs{status="succeeded"} 1.0' in metrics
    assert 'duestream_transitions_appended_total{type="job.submitted"} 1.0' in metrics
    assert 'duestream_ready_jobs{queue="default"} 0.0' in metrics
