"""Handlers of the benchmarks' jobs."""

from typing import Any

from duestream.handlers import handler


@handler("noop")
async def noop(payload: Any) -> None:
    """Nothing, as fast as may be."""
