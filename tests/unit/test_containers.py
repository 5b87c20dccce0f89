"""What a job may ask of a container, and which images patterns admit."""

from typing import Any

import msgspec
import pytest

from duestream.containers import ContainerSpec, Outcome, check, is_allowed, is_reference
from duestream.errors import Misuse

SPEC = ContainerSpec(image="busybox")


def test_an_image_is_enough() -> None:
    check(msgspec.json.decode(b'{"image": "busybox"}', type=ContainerSpec))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"image": ""}, "image: "),
        ({"command": []}, "command: "),
        ({"command": ["a\0b"]}, "NUL"),
        ({"env": {"": "x"}}, "env: "),
        ({"env": {"a=b": "x"}}, "env: "),
        ({"workdir": "tmp"}, "workdir: "),
        ({"memory": 1024}, "memory: "),
        ({"memory": -1}, "memory: "),
        ({"cpus": -1.0}, "cpus: "),
        ({"cpus": float("nan")}, "cpus: "),
        ({"network": "host"}, "network: "),
        ({"network": "container:other"}, "network: "),
        ({"pull": "often"}, "pull: "),
    ],
)
def test_what_no_engine_could_do_is_refused_by_name(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Misuse, match=said):
        check(msgspec.structs.replace(SPEC, **changes))


@pytest.mark.parametrize(
    "image",
    [
        "busybox",
        "busybox:1.36",
        "library/busybox",
        "registry.example:5000/team/app_one:V1.2-rc",
        "localhost/a",
        "a@sha256:" + "0" * 64,
        "a__b/c--d:x@sha256:" + "f" * 64,
    ],
)
def test_names_of_images_are_known_as_such(image: str) -> None:
    assert is_reference(image)


@pytest.mark.parametrize("image", ["", "JOB_B", "a b", "../x", "a/../b", "a?x=1", "a:", "a@sha256:0", "-a", "a\n"])
def test_what_names_no_image_is_known_as_such(image: str) -> None:
    assert not is_reference(image)


@pytest.mark.parametrize(
    ("image", "patterns", "allowed"),
    [
        ("anything", [], True),
        ("anything", ["*"], True),
        ("busybox", ["busybox"], True),
        ("busybox", ["busybox:latest"], True),
        ("busybox:latest", ["busybox"], True),
        ("busybox:1", ["busybox"], False),
        ("busybox:1", ["busybox:*"], True),
        ("busybox", ["busybox:*"], True),
        ("registry:5000/app", ["registry:5000/*"], True),
        ("evil/busybox", ["busybox", "alpine*"], False),
        ("BUSYBOX", ["busybox"], False),
    ],
)
def test_patterns_admit_images(image: str, patterns: list[str], allowed: bool) -> None:
    assert is_allowed(image, patterns) is allowed


def test_an_outcome_survives_json() -> None:
    outcome = Outcome(exit_code=3, error="exit code 3", limits={"memory": 1, "cpus": 0.5, "pids": 256})

    assert msgspec.json.decode(msgspec.json.encode(outcome), type=Outcome) == outcome
