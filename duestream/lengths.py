"""The handler that is built in: takes its time, and returns the length of its payload. The system's reference work."""

import asyncio
from typing import Any

import msgspec

from duestream.handlers import handler


class Timed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A payload that says how many seconds its work takes."""

    text: str
    seconds: float = 3.0


@handler("length")
async def length(payload: str | list[Any] | Timed) -> int:
    """The number of characters of a text, or of items of a list, after 3 seconds or as many as the payload says."""
    seconds, counted = (payload.seconds, payload.text) if isinstance(payload, Timed) else (3.0, payload)
    if seconds > 0:
        await asyncio.sleep(seconds)
    return len(counted)
