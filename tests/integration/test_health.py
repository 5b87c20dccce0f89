"""Health, readiness and metrics."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

import api.health
from duestream import __version__, keys
from duestream.keys import Keys
from duestream.lifecycle import living
from tests.running import Service, running, until
from tests.stores import Store

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def samples(service: Service) -> Samples:
    """What /metrics tells, by name and labels."""
    answer = await service.http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = list(text_string_to_metric_families(answer.text))
    assert len({family.name for family in families}) == len(families)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float:
    return found.get((name, frozenset(labels.items())), 0.0)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "text/plain"), ("*/*", "text/plain"), ("text/plain", "text/plain"), ("text/html", "text/plain"),
        ("application/json", "application/json"), ("text/html, application/json;q=0.9", "application/json"),
        ("APPLICATION/JSON", "application/json"),
    ],
)  # fmt: skip
async def test_health_is_a_word_or_json(valkey: Store, accept: str | None, kind: str) -> None:
    async with running(valkey, "api") as service:
        answer = await service.http.get("/v1/health", headers={"accept": accept} if accept else None)

    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == kind
    if kind == "text/plain":
        assert answer.text == "Healthy"
    else:
        assert answer.json() == {"status": "healthy", "version": __version__}


async def test_it_is_ready_when_all_is_there(service: Service) -> None:
    async def all_live() -> bool:
        processes = (await service.http.get("/readyz")).json()["processes"]
        return bool(processes == {"api": 1, "projector": 1, "runner": 1, "scheduler": 1})

    await until(all_live, "all processes are seen")

    answer = await service.http.get("/readyz")

    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["redis"]) == ("ready", "ok")
    assert answer.json()["projection_lag_seconds"] >= 0
    assert answer.headers["cache-control"] == "no-store"


async def test_it_tells_of_living_runners_that_have_no_engine(store: Store) -> None:
    async with running(store, "api") as service:
        names: list[str] = []

        async def alive() -> bool:
            names[:] = await living(service.server)
            return bool(names)

        await until(alive, "the process shows that it lives")
        reasons = {names[0]: "no engine", "runner@elsewhere:1:abc": "has died since"}
        await service.server.call("HSET", keys.engines(), *[part for each in reasons.items() for part in each])

        answer = await service.http.get("/readyz")

    assert (answer.status_code, answer.json()["engines"]) == (200, {names[0]: "no engine"})


async def test_it_is_not_ready_while_projection_is_far_behind(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(store) as service:
        await service.http.post("/v1/tasks", json={"title": "x"})
        await service.http.get("/v1/tasks")
    monkeypatch.setattr(api.health, "LATEST", 0.0)
    async with running(store, "api") as service:
        assert (await service.http.get("/readyz")).status_code == 200
        await service.http.post("/v1/tasks", json={"title": "x"})

        async def behind() -> bool:
            return (await service.http.get("/readyz")).status_code == 503

        await until(behind, "it says that it is behind")
        answer = await service.http.get("/readyz")
        lag = await samples(service)

        assert (answer.json()["status"], answer.json()["redis"], answer.headers["retry-after"]) == (
            "not ready",
            "ok",
            "1",
        )
        assert answer.json()["projection_lag_seconds"] > 0
        labels = [dict(key[1]) for key, count in lag.items() if key[0] == "duestream_lag_entries" and count]
        assert [(each["group"], each["kind"]) for each in labels] == [("projector", "tasks")]
        assert value(lag, "duestream_lag_entries", **labels[0]) == 1
        assert value(lag, "duestream_lag_seconds", **labels[0]) > 0


async def test_metrics_count_requests_by_route_and_status(valkey: Store) -> None:
    async with running(valkey) as service:
        http = service.http
        for n in range(3):
            await http.get(f"/v1/tasks/{n + 1000}")
        await http.post("/v1/tasks", json={"title": "x"})
        await http.post("/v1/tasks", json={"title": ""})
        for path in ("/a", "/b"):
            await http.get(path)

        found = await samples(service)

    name = "duestream_http_requests_total"
    assert value(found, name, method="GET", route="/v1/tasks/{id}", status="404") == 3
    assert value(found, name, method="POST", route="/v1/tasks", status="201") == 1
    assert value(found, name, method="POST", route="/v1/tasks", status="422") == 1
    assert value(found, name, method="GET", route="other", status="404") == 2  # not one series for each path
    assert value(found, "duestream_http_request_seconds_count", route="/v1/tasks/{id}") == 3


async def test_metrics_count_transitions_that_were_appended_and_refused(valkey: Store) -> None:
    async with running(valkey) as service:
        http = service.http
        await http.post("/v1/tasks", json=[{"title": "x"}] * 600)
        created = await http.post("/v1/tasks", json={"title": "x"}, headers={"idempotency-key": "k"})
        await http.post("/v1/tasks", json={"title": "x"}, headers={"idempotency-key": "k"})
        at = created.headers["location"]
        await http.patch(at, json={"title": "y"})
        await http.delete(at)
        await http.delete(at)

        found = await samples(service)

    assert value(found, "duestream_transitions_appended_total", type="task.created") == 601
    assert value(found, "duestream_transitions_appended_total", type="task.updated") == 1
    assert value(found, "duestream_transitions_appended_total", type="task.deleted") == 1
    assert value(found, "duestream_transitions_refused_total", type="task.deleted") == 1


async def test_metrics_tell_the_notices_and_how_late_they_were(service: Service) -> None:
    http = service.http
    await http.post("/v1/tasks", json=[{"title": "x", "expiry_dt": "2020-01-01T00:00:00Z"}] * 3)

    async def given() -> bool:
        return value(await samples(service), "duestream_notices_total") == 3

    await until(given, "all notices are given")
    found = await samples(service)

    assert value(found, "duestream_notice_lateness_seconds_count") == 3
    assert value(found, "duestream_notice_lateness_seconds_bucket", le="+Inf") == 3
    bounds = sorted(
        (float(dict(key[1])["le"]), count)
        for key, count in found.items()
        if key[0] == "duestream_notice_lateness_seconds_bucket"
    )
    assert [count for _, count in bounds] == sorted(count for _, count in bounds)
    groups = {(dict(key[1])["shard"], dict(key[1])["group"]) for key in found if key[0] == "duestream_lag_entries"}
    assert groups == {(str(Keys(shard).shard), "projector") for shard in range(service.settings.shards)}
