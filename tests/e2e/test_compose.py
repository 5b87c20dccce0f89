"""The containers: the stack of docker-compose.yml, from its start to its end, scaled and killed between."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests import images
from tests.e2e import compose
from tests.e2e.compose import Stack
from tests.stores import eventually


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with compose.stack() as stack:
        yield stack


@pytest.fixture(scope="module")
def scaled(stack: Stack) -> Stack:
    """The same stack, grown while it runs."""
    stack.up(projector=3, api=2)
    wanted = {"api": 2, "projector": 3, "runner": 1, "scheduler": 1}
    eventually(lambda: stack.living() == wanted, f"{wanted} live", compose.DEADLINE)
    return stack


def test_every_service_says_that_it_is_healthy(stack: Stack) -> None:
    services = [each["Config"]["Labels"]["com.docker.compose.service"] for each in stack.containers()]

    assert sorted(services) == ["api", "projector", "redis", "runner", "scheduler"]
    eventually(lambda: stack.health() == ["healthy"] * 5, "every container is healthy", compose.DEADLINE)


def test_only_the_api_can_be_reached_from_outside_and_only_from_this_machine(stack: Stack) -> None:
    published = {
        (each["Config"]["Labels"]["com.docker.compose.service"], binding["HostIp"])
        for each in stack.containers()
        for bindings in each["NetworkSettings"]["Ports"].values()
        for binding in bindings or []
    }

    assert published == {("api", "127.0.0.1")}


def test_no_process_has_more_rights_than_it_needs(stack: Stack) -> None:
    for each in stack.containers():
        assert each["Config"]["User"] not in ("", "0", "root")
        assert each["HostConfig"]["CapDrop"] == ["ALL"]
        assert each["HostConfig"]["ReadonlyRootfs"]
        assert "no-new-privileges:true" in each["HostConfig"]["SecurityOpt"]


def test_the_api_refuses_who_has_no_key(stack: Stack) -> None:
    with stack.apis() as [api]:
        assert api.get("/v1/tasks").status_code == 200
        assert api.get("/v1/tasks", headers={"authorization": "Bearer wrong"}).status_code == 401


def test_a_task_that_is_about_to_expire_gets_its_notice(stack: Stack) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=5)

    with stack.apis() as [api]:
        task = _created(api, title="milk", expiry_dt=soon.isoformat())

        eventually(lambda: "task.expiring" in _events(api, task), "the notice is in the task's history")


def test_a_runner_does_payload_jobs_and_one_with_the_engines_socket_runs_containers(stack: Stack) -> None:
    image = images.busybox()
    with stack.apis() as [api]:
        payload = _submitted(api, handler="length", payload={"text": "abc", "seconds": 0})
        container = _submitted(api, image=image, command=["sh", "-c", "echo hello"])

        eventually(lambda: api.get(payload).json()["result"] == 3, "the payload job is done")
        assert api.get(container).json()["status"] == "queued"
        stack.compose("--profile", "engine", "up", "--detach", "--no-build", "engine-runner")
        eventually(lambda: api.get(container).json()["status"] == "succeeded", "the container ended", compose.DEADLINE)
        assert api.get(f"{container}/log").text == "hello\n"
    stack.compose("--profile", "engine", "rm", "--stop", "--force", "engine-runner")


def test_scaled_out_each_api_process_reads_at_once_what_the_other_wrote(scaled: Stack) -> None:
    with scaled.apis() as [one, other]:
        for n in range(50):
            writer, reader = (one, other) if n % 2 else (other, one)
            task = _created(writer, title=f"task {n}")

            assert reader.get(task).json()["title"] == f"task {n}"


def test_what_was_accepted_while_the_projectors_were_dying_is_read_when_others_live(scaled: Stack) -> None:
    with scaled.apis() as [one, other]:
        one.post("/v1/tasks", json=[{"title": f"before {n}"} for n in range(2000)]).raise_for_status()
        scaled.compose("kill", "-s", "KILL", "projector")
        eventually(lambda: not scaled.containers("projector"), "no projector runs")
        accepted = _created(one, title="accepted while no projector ran")
        assert other.get(accepted).status_code == 503

        scaled.up(projector=2, api=2)

        eventually(lambda: other.get("/v1/tasks").status_code == 200, "everything accepted is read", compose.DEADLINE)
        assert other.get(accepted).json()["title"] == "accepted while no projector ran"
        assert "the read models equal the journal" in scaled.compose("exec", "-T", "api", "duestream", "verify")


def _created(api: httpx.Client, **task: str) -> str:
    """The address of a new task."""
    answer = api.post("/v1/tasks", json=task)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


def _submitted(api: httpx.Client, **job: Any) -> str:
    """The address of a new job."""
    answer = api.post("/v1/jobs", json=job)
    assert answer.status_code == 202, answer.text
    return str(answer.headers["location"])


def _events(api: httpx.Client, task: str) -> list[str]:
    return [event["type"] for event in api.get(f"{task}/events").raise_for_status().json()["events"]]
