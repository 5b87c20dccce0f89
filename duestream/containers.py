"""What a job asks of a container, and what came of it. Pure: what it means to an engine is the runner's affair."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

import msgspec

from duestream.errors import Misuse

PULLS = ("missing", "always", "never")
NETWORKS = ("none", "bridge")
LEAST_MEMORY = 6 * 1024 * 1024  # what engines accept
LEAST_CPUS = 0.01

_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]+)?/)?{_PART}(?:/{_PART})*(?::[A-Za-z0-9_][\w.-]{{0,127}})?"
    r"(?:@sha256:[0-9a-f]{64})?",
    re.ASCII,
)


class ContainerSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """What to run, and within which limits."""

    image: str
    command: list[str] | None = None  # None: the image's
    env: dict[str, str] = {}
    workdir: str = ""  # "": the image's
    user: str = ""  # "": the image's
    memory: int = 0  # bytes; 0: the runner's default
    cpus: float = 0.0  # 0: the runner's default
    network: str = ""  # none | bridge; "": none, as a container reaches nothing of our network unless a job says so
    pull: str = "missing"  # missing | always | never


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a container ended, or why it did not come to run."""

    exit_code: int | None = None  # None: it did not run, or its end is not known
    oom_killed: bool = False
    image_digest: str = ""  # sha256:… of the image that ran
    error: str = ""  # the reason in words; "" where the container ended with 0 by itself
    started: str = ""  # RFC 3339, as the engine tells it; "" where it is not known
    finished: str = ""
    timed_out: bool = False
    canceled: bool = False
    limits: dict[str, float] = {}  # those in force, as the engine tells them: memory (bytes), cpus, pids


def check(spec: ContainerSpec) -> None:
    """Raises Misuse, naming the field, where no engine could do what is asked. The image's name is not looked at."""
    if not spec.image:
        raise Misuse("image: expected an image's name")
    if spec.command is not None and not spec.command:
        raise Misuse("command: expected at least one word, or null for the image's own")
    if any(not name or "=" in name for name in spec.env):
        raise Misuse("env: expected names that are not empty and have no =")
    texts = [spec.workdir, spec.user, *(spec.command or []), *spec.env, *spec.env.values()]
    if any("\0" in text for text in texts):
        raise Misuse("expected no NUL characters in command, env, workdir or user")
    if spec.workdir and not spec.workdir.startswith("/"):
        raise Misuse(f"workdir: expected an absolute path, got {spec.workdir!r}")
    if spec.memory and spec.memory < LEAST_MEMORY:
        raise Misuse(f"memory: expected at least {LEAST_MEMORY} bytes, got {spec.memory}")
    if spec.cpus and not spec.cpus >= LEAST_CPUS:
        raise Misuse(f"cpus: expected at least {LEAST_CPUS}, got {spec.cpus}")
    if spec.network and spec.network not in NETWORKS:
        raise Misuse(f"network: expected {' or '.join(NETWORKS)}, got {spec.network!r}")
    if spec.pull not in PULLS:
        raise Misuse(f"pull: expected one of {', '.join(PULLS)}, got {spec.pull!r}")


def is_reference(image: str) -> bool:
    """Whether an image can have this name: `[registry/]path[:tag][@sha256:…]`."""
    return _REFERENCE.fullmatch(image) is not None


def is_allowed(image: str, patterns: Sequence[str]) -> bool:
    """Whether a glob pattern admits the image; without patterns all are admitted. `x` and `x:latest` are one image."""
    names = {image, image.removesuffix(":latest")}
    if ":" not in image.rpartition("/")[2]:
        names.add(f"{image}:latest")
    return not patterns or any(fnmatchcase(name, pattern) for name in names for pattern in patterns)
