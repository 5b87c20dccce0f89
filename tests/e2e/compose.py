"""The stack of docker-compose.yml under a name of its own, so that it meets nobody else's."""

import contextlib
import json
import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from tests import requires
from tests.stores import eventually

CHECKOUT = Path(__file__).parents[2]
IMAGE = "duestream:test"
KEY = secrets.token_hex(16)
DEADLINE = 60.0


def run(*command: str, seconds: float = DEADLINE, environment: Mapping[str, str] | None = None) -> str:
    """What a command prints, where it succeeds."""
    done = subprocess.run(
        command, cwd=CHECKOUT, env={**os.environ, **(environment or {})}, timeout=seconds,
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(command)}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build() -> str:
    """The image of this checkout. Its layers are reused where nothing changed."""
    for base in re.findall(r"^FROM (\S+)", (CHECKOUT / "Dockerfile").read_text(), re.MULTILINE):
        _have(base)
    _have("redis:7")
    run("docker", "build", "--quiet", "--network", "host", "--tag", IMAGE, ".", seconds=400)
    return IMAGE


class Stack:
    """The services, their containers, and clients of the API processes."""

    def __init__(self, image: str) -> None:
        self.project = f"duestream-test-{secrets.token_hex(4)}"
        self._environment = {"IMAGE": image, "API_PORTS": "", "DUESTREAM_API_KEYS": f"test={KEY}"}

    def compose(self, *arguments: str) -> str:
        return run(*_compose(), "--project-name", self.project, *arguments, environment=self._environment)

    def up(self, **scale: int) -> None:
        """Start what is not running, so many of each."""
        wanted = [part for service, number in scale.items() for part in ("--scale", f"{service}={number}")]
        self.compose("up", "--detach", "--no-build", *wanted)

    def containers(self, service: str | None = None) -> list[dict[str, Any]]:
        """The running containers, as `docker inspect` tells them."""
        filters = [f"label=com.docker.compose.project={self.project}"]
        filters += [f"label=com.docker.compose.service={service}"] if service else []
        ids = run("docker", "ps", "--quiet", *(part for each in filters for part in ("--filter", each))).split()
        found: list[dict[str, Any]] = json.loads(run("docker", "inspect", *ids)) if ids else []
        return found

    def health(self) -> list[str]:
        """What the health check of each running container says."""
        return [each["State"]["Health"]["Status"] for each in self.containers()]

    def living(self) -> dict[str, int]:
        """How many processes of each role show signs of life, as every API process has it; empty while one is away."""
        with self.apis() as apis:
            try:
                seen = [api.get("/readyz").json()["processes"] for api in apis]
            except httpx.TransportError:
                return {}
        return dict(seen[0]) if all(each == seen[0] for each in seen) else {}

    @contextlib.contextmanager
    def apis(self) -> Iterator[list[httpx.Client]]:
        """A client of each API process."""
        with contextlib.ExitStack() as stack:
            yield [stack.enter_context(_client(each)) for each in self.containers("api")]

    def down(self) -> None:
        self.compose("--profile", "engine", "down", "--volumes", "--timeout", "10")


@contextlib.contextmanager
def stack() -> Iterator[Stack]:
    """A stack that is up, one of each service. It leaves nothing behind."""
    requires.docker()
    requires.need("docker", found=bool(_compose()), why="there is no docker-compose on this machine")
    stack = Stack(build())
    try:
        stack.up()
        eventually(lambda: len(stack.living()) == 4, "a process of each role lives", DEADLINE)
        yield stack
    except BaseException:
        with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
            print(stack.compose("logs", "--no-color", "--tail", "40"))
        raise
    finally:
        stack.down()


def _client(container: dict[str, Any]) -> httpx.Client:
    published = container["NetworkSettings"]["Ports"]["8888/tcp"][0]
    return httpx.Client(
        base_url=f"http://{published['HostIp']}:{published['HostPort']}",
        headers={"authorization": f"Bearer {KEY}"},
        timeout=DEADLINE,
        trust_env=False,
    )


def _have(image: str) -> None:
    """Have an image that others make: it is here, or a registry has it."""
    found = _succeeds("docker", "image", "inspect", image) or _succeeds("docker", "pull", "--quiet", image)
    requires.need("docker", found=found, why=f"{image} is not here, and no registry gives it")


@cache
def _compose() -> tuple[str, ...]:
    """The command for Compose: version 2 where it is there, else version 1."""
    if _succeeds("docker", "compose", "version"):
        return ("docker", "compose")
    return ("docker-compose",) if shutil.which("docker-compose") else ()


def _succeeds(*command: str) -> bool:
    with contextlib.suppress(subprocess.TimeoutExpired):
        return subprocess.run(command, capture_output=True, timeout=120).returncode == 0
    return False
