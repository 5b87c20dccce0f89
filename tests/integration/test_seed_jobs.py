"""The paths, words and dates of the scheduler that this grew from."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from api.seed_jobs import DATE, NewTimedJob, run_time
from duestream.jobs import JobFailed, JobSucceeded
from tests.integration.job_calls import NO_RUNNER, Hand, box, quick, submit
from tests.running import Service, running, until
from tests.stores import Store

MESSAGE = re.compile(r"job (?P<name>.+) with id (?P<id>[0-9a-f]{32}) will be scheduled to run (?P<when>.+)")
NOWHERE = "0" * 32


@pytest.fixture
async def waiting(store: Store) -> AsyncIterator[Service]:
    """All processes but a runner, on an empty store of each sort."""
    async with running(store, *NO_RUNNER) as service:
        yield service


async def schedule(http: httpx.AsyncClient, **fields: str) -> str:
    """The id of a new job."""
    answer = await http.post("/job", data=fields)
    assert answer.status_code == 200, answer.text
    found = MESSAGE.fullmatch(answer.json()["message"])
    assert found
    return found["id"]


async def queued(http: httpx.AsyncClient, id: str) -> None:
    """Wait until a job's time has come."""

    async def has_come() -> bool:
        return bool((await http.get(f"/v1/jobs/{id}")).json()["status"] == "queued")

    await until(has_come, f"the time of {id} has come")


def between(job: dict[str, Any]) -> timedelta:
    """From when a job was accepted to when it is to run."""
    return datetime.strptime(job["scheduled_to"], DATE) - datetime.strptime(job["scheduled_in"], DATE)


async def test_the_start_leads_to_the_jobs(waiting: Service) -> None:
    for accept in ("*/*", "application/json"):
        answer = await waiting.http.get("/", headers={"accept": accept})
        assert (answer.status_code, answer.headers["location"]) == (302, "/jobs")


async def test_at_first_there_are_none(waiting: Service) -> None:
    answer = await waiting.http.get("/jobs")

    assert (answer.status_code, answer.json()) == (200, {"running": {}, "scheduled": {}, "history": {}})


@pytest.mark.parametrize("how", ["form", "json", "multipart"])
async def test_a_job_is_scheduled_by_a_form_or_json(waiting: Service, how: str) -> None:
    fields = {"job_name": "JOB_B", "time": "2m"}
    sent: dict[str, Any] = {"form": {"data": fields}, "json": {"json": fields}}.get(how, {})
    if how == "multipart":
        sent = {"files": {name: (None, value) for name, value in fields.items()}}

    answer = await waiting.http.post("/job", **sent)

    assert answer.status_code == 200
    assert answer.json().keys() == {"message"}
    found = MESSAGE.fullmatch(answer.json()["message"])
    assert found
    assert (found["name"], found["when"]) == ("JOB_B", "in 2m")
    job = (await waiting.http.get(f"/job/{found['id']}")).json()
    assert job.keys() == {"id", "job_name", "scheduled_in", "scheduled_to", "status"}
    assert (job["id"], job["job_name"], job["status"]) == (found["id"], "JOB_B", "scheduled")
    assert (await waiting.http.get("/jobs")).json() == {"running": {}, "scheduled": {job["id"]: job}, "history": {}}


@pytest.mark.parametrize(
    ("time", "delay"),
    [
        ("30s", timedelta(seconds=30)), ("2m", timedelta(minutes=2)), ("1h", timedelta(hours=1)),
        ("4d", timedelta(days=4)), ("45S", timedelta(seconds=45)), ("007M", timedelta(minutes=7)),
        ("3H", timedelta(hours=3)), ("1000D", timedelta(days=1000)),
    ],
)  # fmt: skip
async def test_it_runs_exactly_so_long_after_it_was_accepted(valkey: Store, time: str, delay: timedelta) -> None:
    async with running(valkey, *NO_RUNNER, time_zone="UTC") as service:
        id = await schedule(service.http, job_name="busybox", time=time)

        job = (await service.http.get(f"/job/{id}")).json()

    assert between(job) == delay


async def test_a_date_is_in_the_configured_zone(valkey: Store) -> None:
    async with running(valkey, *NO_RUNNER, time_zone="Asia/Tokyo") as service:
        id = await schedule(service.http, job_name="busybox", date="01-02-2050 09:30:05")

        job = (await service.http.get(f"/job/{id}")).json()
        same = (await service.http.get(f"/v1/jobs/{id}")).json()

    assert job["scheduled_to"] == "01-02-2050 09:30:05"
    assert same["run_at"] == "2050-02-01T00:30:05Z"
    accepted = datetime.strptime(job["scheduled_in"], DATE).replace(tzinfo=ZoneInfo("Asia/Tokyo"))
    assert accepted == datetime.fromisoformat(same["create_dt"]).replace(microsecond=0)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"time": "2m"}, "job_name: required, but missing"),
        ({"job_name": "", "time": "2m"}, "job_name"),
        ({"job_name": " ", "time": "2m"}, "job_name"),
        ({"job_name": "a\tb", "time": "2m"}, "job_name"),
        ({"job_name": "x" * 256, "time": "2m"}, "job_name"),
        ({"job_name": "other", "time": "2m"}, "job_name: 'other' is not among the images that may be run"),
        ({"job_nam": "busybox", "time": "2m"}, "job_nam: unknown field; did you mean job_name?"),
        ({"job_name": "busybox", "tyme": "2m"}, "tyme: unknown field; did you mean time?"),
        ({"job_name": "busybox"}, "time, date: expected one of them, got neither"),
        ({"job_name": "busybox", "time": "2m", "date": "01-01-2050 00:00:00"}, "time, date: expected one of them"),
        *(
            ({"job_name": "busybox", "time": time}, "time: expected")
            for time in ("2h30m", "2", "m", "2.5m", "-2m", "2 m", "2w", "soon", "2m\n", "٢m", "9999999999d")
        ),
        *(
            ({"job_name": "busybox", "date": date}, "date: expected")
            for date in (
                "31-02-2050 00:00:00", "2050-01-01 00:00:00", "01-01-2050", "01-01-2050 24:00:00",
                "01-01-2050 00:00:00Z", "01-01-2001 00:00:00", "27-03-2050 02:30:00", "01-01-50 00:00:00",
            )
        ),
    ],
    ids=str,
)  # fmt: skip
async def test_what_cannot_be_is_refused_with_the_reason(valkey: Store, fields: dict[str, str], said: str) -> None:
    async with running(valkey, "api", images="busybox", time_zone="Europe/Berlin") as service:
        answers = [await service.http.post("/job", json=fields), await service.http.post("/job", data=fields)]

    for answer in answers:
        assert answer.status_code == 400
        assert answer.json().keys() == {"message"}
        assert said in answer.json()["message"]


async def test_a_body_that_cannot_be_read_is_refused(valkey: Store) -> None:
    async with running(valkey, "api") as service:
        broken = await service.http.post("/job", content=b"{", headers={"content-type": "application/json"})
        foreign = await service.http.post("/job", content=b"x", headers={"content-type": "text/plain"})
        limit = await service.http.get("/jobs", params={"limit": "many"})

    assert (broken.status_code, foreign.status_code, limit.status_code) == (400, 415, 400)
    assert "JSON" in broken.json()["message"]
    assert "limit" in limit.json()["message"]


async def test_a_scheduled_job_is_descheduled_once(waiting: Service) -> None:
    http = waiting.http
    id = await schedule(http, job_name="busybox", time="1h")

    gone = await http.delete(f"/job/{id}")
    again = await http.delete(f"/job/{id}")
    jobs = (await http.get("/jobs")).json()

    assert (gone.status_code, gone.json()) == (200, {"message": f"job {id} was de-scheduled"})
    assert (again.status_code, again.json()) == (404, {"message": f"job with id {id} not found"})
    assert (jobs["running"], jobs["scheduled"], list(jobs["history"])) == ({}, {}, [id])
    assert jobs["history"][id] == (await http.get(f"/job/{id}")).json()
    assert (jobs["history"][id]["status"], jobs["history"][id]["finish_status"]) == ("canceled", "did_not_run")
    assert datetime.strptime(jobs["history"][id]["finish_date"], DATE)


@pytest.mark.parametrize("id", [NOWHERE, "7", "a b", "<b>", "%2e"])
async def test_an_unknown_job_is_told_so(valkey: Store, id: str) -> None:
    async with running(valkey, "api") as service:
        answers = [await service.http.get(f"/job/{id}"), await service.http.delete(f"/job/{id}")]

    for answer in answers:
        told = id.replace("%2e", ".")
        assert (answer.status_code, answer.json()) == (404, {"message": f"job with id {told} not found"})


@pytest.mark.parametrize(
    ("end", "finish_status"),
    [
        (JobSucceeded(attempt=1, exit_code=0), "success"),
        (JobFailed(attempt=1, exit_code=3, error="exit code 3"), "failure"),
    ],
)
async def test_a_job_runs_when_its_time_has_come(
    waiting: Service, end: JobSucceeded | JobFailed, finish_status: str
) -> None:
    http, hand = waiting.http, Hand(waiting)
    id = await schedule(http, job_name="busybox", time="0s")
    await queued(http, id)

    await hand.start(f"/v1/jobs/{id}")
    running = (await http.get("/jobs")).json()
    late = await http.delete(f"/job/{id}")
    await hand.end(f"/v1/jobs/{id}", end)
    over = (await http.get("/jobs")).json()

    assert running["running"][id]["status"] == "running"
    assert (running["scheduled"], running["history"]) == ({}, {})
    assert (late.status_code, late.json()) == (404, {"message": f"job with id {id} not found"})
    assert (over["running"], over["scheduled"]) == ({}, {})
    assert (over["history"][id]["status"], over["history"][id]["finish_status"]) == ("completed", finish_status)
    assert over["history"][id] == (await http.get(f"/job/{id}")).json()


async def test_jobs_of_the_other_paths_are_shown_too_the_newest_of_each_group(waiting: Service) -> None:
    http = waiting.http
    boxes = [(await submit(http, box(delay="1h")))[-32:] for _ in range(5)]
    handler = (await submit(http, quick()))[-32:]
    over = [(await submit(http, box(delay="1h")))[-32:] for _ in range(3)]
    for id in over:
        await http.delete(f"/v1/jobs/{id}")

    found = (await http.get("/jobs", params={"limit": 2})).json()

    assert set(found["scheduled"]) == set(sorted([*boxes, handler])[-2:])
    assert found["scheduled"][handler]["job_name"] == "length"
    assert set(found["history"]) == set(sorted(over)[-2:])


def test_a_date_in_the_hour_that_comes_twice_is_the_first_of_them() -> None:
    new = NewTimedJob(job_name="busybox", date="30-10-2050 02:30:00")

    at = run_time(new, datetime(2026, 1, 1, tzinfo=UTC), ZoneInfo("Europe/Berlin"))

    assert at == datetime(2050, 10, 30, 0, 30, tzinfo=UTC)
