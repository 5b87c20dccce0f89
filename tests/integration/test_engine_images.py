"""Images that a real engine has, or pulls from a registry."""

import contextlib
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from runner.engine import Engine
from tests.integration.engines import Try, docker
from tests.registry import Registry
from tests.registry import registry as a_registry
from tests.running import until

pytestmark = pytest.mark.usefixtures("busybox")


@pytest.fixture
def registry() -> Iterator[Registry]:
    with a_registry() as registry:
        yield registry
        for image in (f"{registry.host}/it", f"{registry.host}/it@{registry.digest}"):
            with contextlib.suppress(subprocess.CalledProcessError):
                docker("rmi", "-f", image)


async def test_a_missing_image_is_pulled_once(engine: Engine, job: str, registry: Registry) -> None:
    hello: dict[str, Any] = {"image": f"{registry.host}/it", "command": ["/bin/busybox", "echo", "hello"]}
    one, two = (Try(engine, job=job, run=run, **hello) for run in ("1", "2"))

    outcome = await one.run()
    so_far = len(registry.asked)
    again = await two.run()

    assert (outcome.error, one.text) == ("", "hello\n")
    assert outcome.image_digest == again.image_digest == registry.digest
    assert len(registry.asked) == so_far


async def test_an_image_is_pulled_again_where_the_job_says_so(engine: Engine, job: str, registry: Registry) -> None:
    hello: dict[str, Any] = {"image": f"{registry.host}/it", "command": ["/bin/busybox", "true"], "pull": "always"}
    await Try(engine, job=job, **hello).run()
    so_far = len(registry.asked)

    outcome = await Try(engine, job=job, run="2", **hello).run()

    assert outcome.exit_code == 0
    assert len(registry.asked) > so_far


async def test_an_image_is_pulled_with_the_credentials_of_the_docker_configuration(
    engine: Engine, job: str, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.login = "somebody:s3cret"
    known = {"auths": {registry.host: {"auth": b64encode(registry.login.encode()).decode()}}}
    (tmp_path / "config.json").write_bytes(msgspec.json.encode(known))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))

    outcome = await Try(engine, job=job, image=f"{registry.host}/it", command=["/bin/busybox", "true"]).run()

    assert (outcome.exit_code, outcome.error) == (0, "")


async def test_an_image_that_we_may_not_pull_is_told(engine: Engine, job: str, registry: Registry) -> None:
    registry.login = "somebody:s3cret"

    outcome = await Try(engine, "true", job=job, image=f"{registry.host}/it").run()

    assert outcome.exit_code is None
    assert outcome.error.startswith(f"image {registry.host}/it is missing and cannot be pulled: ")
    assert "no basic auth credentials" in outcome.error


async def test_a_stop_ends_a_pull(engine: Engine, job: str, registry: Registry) -> None:
    registry.open.clear()
    one = Try(engine, "true", job=job, image=f"{registry.host}/it")
    running = one.begin()

    async def begun() -> bool:
        return any(registry.layer in path for path in registry.asked)

    await until(begun, "the layer is asked for")
    one.stop.set()
    outcome = await running

    assert (outcome.exit_code, outcome.canceled, outcome.error) == (None, True, "canceled before it started")
