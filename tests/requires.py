"""What a test needs beyond Python: where that is missing it is skipped, saying why, or fails if CI requires it."""

import os
import shutil
import subprocess
from functools import cache

import pytest

REQUIRED = frozenset(filter(None, os.environ.get("DUESTREAM_REQUIRE", "").split(",")))  # redis, docker, chromium


def need(name: str, *, found: bool, why: str) -> None:
    """Skip the test that asks, unless it is there. Where DUESTREAM_REQUIRE names it, fail instead."""
    if found:
        return
    if name in REQUIRED:
        pytest.fail(f"DUESTREAM_REQUIRE names {name}, but {why}")
    pytest.skip(f"{why} (needed: {name})")


def redis_server() -> str:
    """The path of a `redis-server`."""
    path = shutil.which("redis-server")
    need("redis", found=path is not None, why="there is no redis-server on this machine")
    assert path is not None
    return path


def chromium() -> str:
    """The path of a Chromium."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    need("chromium", found=path is not None, why="there is no chromium on this machine")
    assert path is not None
    return path


@cache
def _docker_answers() -> bool:
    return (
        shutil.which("docker") is not None and subprocess.run(["docker", "info"], capture_output=True).returncode == 0
    )


def docker() -> None:
    """A Docker engine that answers."""
    need("docker", found=_docker_answers(), why="no Docker engine answers on this machine")
