"""The images that containers start from: which are allowed, fetching them, and what they are. These calls block."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from docker.errors import APIError, NotFound

from duestream.containers import ContainerSpec, check, is_allowed, is_reference
from duestream.errors import Misuse
from runner.client import Client, Stream, words
from runner.containers import NotRun


def refuse(spec: ContainerSpec, patterns: Sequence[str]) -> None:
    """Raises NotRun where the image is not allowed here, or no engine could do what is asked."""
    try:
        check(spec)
    except Misuse as error:
        raise NotRun(str(error)) from None
    if not is_allowed(spec.image, patterns):
        raise NotRun(f"image {spec.image} is not allowed here (allowed: {', '.join(patterns)})")
    if not is_reference(spec.image):
        raise NotRun(f"image {spec.image} is missing: no image can have this name")


def pulling(image: str) -> Stream:
    return Stream(lambda client: client.pulling(image))


def ensure(client: Client, spec: ContainerSpec, pulled: Stream) -> str:
    """The id of the image, fetched as the spec says. Raises NotRun."""
    found = None if spec.pull == "always" else _local(client, spec.image)
    if found is None:
        if spec.pull == "never":
            raise NotRun(f"image {spec.image} is missing")
        reason = _pull(client, pulled)
        found = None if reason else _local(client, spec.image)
        if found is None:
            was = "is missing and " if spec.pull == "missing" else ""
            raise NotRun(f"image {spec.image} {was}cannot be pulled: {reason or 'the engine does not keep it'}")
    return found


def digest(client: Client, id: str) -> str:
    """A registry's digest of the image, or its id where no registry knows it."""
    try:
        known: list[str] = _inspect(client, id).get("RepoDigests") or []
    except NotFound:
        known = []
    return next((name.rpartition("@")[2] for name in known), id)


def _inspect(client: Client, image: str) -> dict[str, Any]:
    told: dict[str, Any] = client.inspect_image(image)  # type: ignore[no-untyped-call]
    return told


def _local(client: Client, image: str) -> str | None:
    try:
        return str(_inspect(client, image)["Id"])
    except NotFound:
        return None
    except APIError as error:
        raise NotRun(f"image {image} is missing: {words(error)}") from None


def _pull(client: Client, pulled: Stream) -> str:
    """The reason why it failed, or ""."""
    try:
        for line in _lines(pulled, client):
            told = json.loads(line)
            if "error" in told:
                return " ".join(str(told["error"]).split())[:400]
    except APIError as error:
        return words(error)
    finally:
        pulled.close()
    return ""


def _lines(pulled: Stream, client: Client) -> Iterator[bytes]:
    rest = b""
    while data := pulled.read(client):
        *lines, rest = (rest + data).split(b"\n")
        yield from filter(bytes.strip, lines)
    if rest.strip():
        yield rest
