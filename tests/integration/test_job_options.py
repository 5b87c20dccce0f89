"""What may be asked of a job; what cannot be is refused by the option's name."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.integration.job_calls import box, quick, submit
from tests.running import Service, running
from tests.stores import Store

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = {"delay": "1h"}  # nothing runs here


@pytest.mark.parametrize(
    ("job", "field"),
    [
        ({}, "handler"),
        ({"payload": 1}, "handler"),
        ({"handler": None, "image": None}, "handler"),
        ({"handler": "length", "image": "busybox"}, "image"),
        ({"handler": "length", "comand": ["x"]}, "comand"),
        ({"handler": "length", "payload": "x" * 262_143}, "payload"),
        *((box(payload=value), "payload") for value in (1, None)),
        *(
            ({"handler": "length", name: value}, name)
            for name, value in (
                ("command", ["x"]), ("env", {}), ("workdir", "/"), ("user", "me"), ("memory", "1g"), ("cpus", 1),
                ("network", "none"), ("pull", "always"),
            )
        ),
        (box(command=[]), "command"),
        (box(command="echo"), "command"),
        (box(env={"A=B": "c"}), "env"),
        (box(env={"A": 1}), "env[...]"),
        (box(workdir="tmp"), "workdir"),
        (box(memory="1k"), "memory"),
        (box(memory="much"), "memory"),
        (box(memory=0), "memory"),
        (box(memory=-1), "memory"),
        (box(memory="9" * 15 + "t"), "memory"),
        (box(cpus=0), "cpus"),
        (box(network="host"), "network"),
        (box(pull="sometimes"), "pull"),
        ({"image": "Not An Image"}, "image"),
        ({"image": "busybox:"}, "image"),
        ({"image": "-v/:/host"}, "image"),
        ({**quick(), "delay": "2 moons"}, "delay"),
        ({**quick(), "delay": -1}, "delay"),
        ({**quick(), "delay": True}, "delay"),
        ({**quick(), "delay": "9999999d"}, "delay"),
        ({**quick(), "delay": "1h", "run_at": "2099-01-01T00:00:00Z"}, "run_at"),
        ({**quick(), "run_at": "2099-02-30T00:00:00Z"}, "run_at"),
        ({**quick(), "run_at": "tomorrow"}, "run_at"),
        ({**quick(), "timeout": "forever"}, "timeout"),
        ({**quick(), "timeout": "4000d"}, "timeout"),
        ({**quick(), "backoff": -0.5}, "backoff"),
        ({**quick(), "retries": 101}, "retries"),
        ({**quick(), "retries": -1}, "retries"),
        ({**quick(), "queue": "a b"}, "queue"),
        ({**quick(), "queue": ""}, "queue"),
        ({**quick(), "queue": "default\n"}, "queue"),
        ({**quick(), "queue": "default:containers"}, "queue"),
        ({**quick(), "start_deadline": "2020-01-01T00:00:00Z"}, "start_deadline"),
        ({**quick(), "start_deadline": "2050-01-01", "run_at": "2050-01-02"}, "start_deadline"),
        ({**quick(), "start_deadline": "soon"}, "start_deadline"),
        ({**quick(), "start_deadline": -1}, "start_deadline"),
        ({**quick(), "unique": ""}, "unique"),
        ({**quick(), "webhook": "https://example.com/x"}, "webhook"),
    ],
    ids=str,
)  # fmt: skip
async def test_what_cannot_be_is_refused_by_its_name(shared: Service, job: dict[str, Any], field: str) -> None:
    refused = await shared.http.post("/v1/jobs", json=job)

    assert refused.status_code == 422, refused.text
    assert refused.json()["errors"][0]["field"] == field
    assert refused.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"timeout": "2h30m"}, {"timeout": 9000}),
        ({"timeout": 1.5}, {"timeout": 1.5}),
        ({"timeout": 0}, {"timeout": None}),
        ({"timeout": None, "retries": None, "queue": None}, {"timeout": None, "retries": 0, "queue": "default"}),
        ({"backoff": "1m"}, {"backoff": 60}),
        ({"memory": "64M"}, {"memory": 64 * 1024 * 1024}),
        ({"memory": 67_108_864}, {"memory": 67_108_864}),
        ({"memory": "1g"}, {"memory": 1024**3}),
        ({}, {"memory": None, "cpus": None, "network": "none", "pull": "missing", "command": None, "env": {}}),
        ({"image": "registry.example:5000/a/b:v1"}, {"image": "registry.example:5000/a/b:v1"}),
    ],
    ids=str,
)
async def test_options_are_told_as_they_are_understood(
    shared: Service, asked: dict[str, Any], told: dict[str, Any]
) -> None:
    at = await submit(shared.http, {**box(**LONG), **asked})

    found = (await shared.http.get(at)).json()

    assert {name: found[name] for name in told} == told


@pytest.mark.parametrize("payload", [None, 0, "", [], {"a": [1, 2.5, None, "é"]}, "x" * 262_142])
async def test_a_payload_is_any_json_and_comes_back_as_it_was(shared: Service, payload: object) -> None:
    at = await submit(shared.http, {"handler": "length", "payload": payload, **LONG})

    assert (await shared.http.get(at)).json()["payload"] == payload


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [("2m", 120), ("2h30m", 9000), ("1d", 86_400), (90, 90), (0.25, 0.25), ("1.5s", 1.5), ("4D", 345_600)],
)
async def test_a_delay_counts_from_when_the_job_is_taken_in(
    shared: Service, delay: str | float, seconds: float
) -> None:
    at = await submit(shared.http, {**box(), "delay": delay, "queue": "nobody"})

    found = (await shared.http.get(at)).json()

    run_at, accepted = datetime.fromisoformat(found["run_at"]), datetime.fromisoformat(found["create_dt"])
    assert run_at - accepted == timedelta(seconds=seconds)


async def test_a_job_is_not_moved_beyond_its_deadline_or_to_nowhere(shared: Service) -> None:
    at = await submit(shared.http, {**quick(), "delay": "1h", "start_deadline": "1m"})

    for edit, field in (({"delay": "2h"}, "delay"), ({}, "run_at"), ({"run_at": "x"}, "run_at"), ({"dely": 1}, "dely")):
        refused = await shared.http.patch(at, json=edit)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)
    assert (await shared.http.patch(at, json={"delay": "30m"})).status_code == 200


async def test_times_without_an_offset_are_in_the_configured_zone(valkey: Store) -> None:
    async with running(valkey, "api", "projector", time_zone="Asia/Tokyo") as service:
        at = await submit(service.http, box(run_at="2050-01-01T09:00:00", start_deadline="2050-01-01T10:00:00"))

        found = (await service.http.get(at)).json()

    assert (found["run_at"], found["start_deadline"]) == ("2050-01-01T00:00:00Z", "2050-01-01T01:00:00Z")


async def test_only_images_on_the_list_are_accepted(valkey: Store) -> None:
    async with running(valkey, "api", "projector", images="busybox, internal/*") as service:
        accepted = [await service.http.post("/v1/jobs", json={"image": name}) for name in ("busybox", "internal/a:1")]
        refused = await service.http.post("/v1/jobs", json={"image": "alpine"})

    assert [each.status_code for each in accepted] == [202, 202]
    assert refused.status_code == 422
    assert refused.json()["detail"] == "image: 'alpine' is not among the images that may be run"


@pytest.mark.parametrize(
    ("url", "status"),
    [("https://example.com/x?y=z", 202), ("ftp://example.com", 422), ("https://", 422), ("https://a b", 422)],
)
async def test_a_webhook_is_a_url_where_there_is_a_secret(valkey: Store, url: str, status: int) -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    async with running(valkey, "api", "projector", webhook_secret=secret) as service:
        answer = await service.http.post("/v1/jobs", json={**quick(), "webhook": url})

    assert answer.status_code == status
