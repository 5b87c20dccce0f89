"""The tasks that benchmarks create: a title of 20 characters, a description of 60, an expiry within months."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

_random = random.Random(20)
_LETTERS = "abcdefghijklmnopqrstuvwxyz    "

ANSWER = {  # as POST and GET give it
    "id": 1234567,
    "title": "q" * 20,
    "description": "d" * 60,
    "expiry_dt": "2027-03-01T12:00:00Z",
    "create_dt": "2026-11-22T12:00:00.123Z",
    "update_dt": "2026-11-22T12:00:00.123Z",
}


def text(length: int) -> str:
    return "".join(_random.choices(_LETTERS, k=length))


def tasks(count: int, *, days: int = 90) -> list[dict[str, str]]:
    """Bodies of POST /v1/tasks, no two alike. None falls due while benchmarks run."""
    now = datetime.now(UTC).replace(microsecond=0)
    return [
        {
            "title": text(20),
            "description": text(60),
            "expiry_dt": (now + timedelta(days=1, seconds=_random.randrange(days * 86_400))).isoformat(),
        }
        for _ in range(count)
    ]


def body(value: dict[str, str] | Sequence[dict[str, str]]) -> bytes:
    return msgspec.json.encode(value)
