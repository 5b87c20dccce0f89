"""`python -m benchmarks [name ...] [--quick] [--rounds N] [--alone]`: play benchmarks and print their table."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import msgspec

from benchmarks.effort import QUICK, Effort
from benchmarks.load import LoadFailed
from benchmarks.machine import describe
from benchmarks.rows import batch, get, jobs, memory, notices, post, projection, turns
from benchmarks.stage import StageFailed, stage
from benchmarks.table import Row, markdown

BENCHMARKS: Mapping[str, Callable[[Effort], Awaitable[list[Row]]]] = {
    "post": post.measure,
    "get": get.measure,
    "batch": batch.measure,
    "projection": projection.measure,
    "notices": notices.measure,
    "memory": memory.measure,
    "jobs-submit": jobs.measure_submitting,
    "jobs-drain": jobs.measure_draining,
    "jobs-sleep": jobs.measure_sleeping,
    "jobs-timed": jobs.measure_timing,
    "jobs-kill": jobs.measure_killing,
    "turns": turns.measure,
    "browsers": turns.measure_browsers,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"some of {', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="short rounds and few of them: to see that it works")
    parser.add_argument("--rounds", type=int, metavar="N", help="turns of each contender")
    parser.add_argument("--alone", action="store_true", help="without the other queues")
    parser.add_argument("--strict", action="store_true", help="end with status 1 where a target is missed")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}")
    try:
        effort = QUICK if chosen.quick else Effort()
        effort = msgspec.structs.replace(effort, rounds=chosen.rounds or effort.rounds, alone=chosen.alone)
        rows = asyncio.run(play(chosen.names or list(BENCHMARKS), effort))
    except (LoadFailed, StageFailed) as error:
        sys.exit(f"benchmarks: {error}")
    if chosen.strict and not all(row.met for row in rows):
        sys.exit(1)


async def play(names: list[str], effort: Effort) -> list[Row]:
    """Play benchmarks one after the other, and print what they were played on and what they found."""
    with tempfile.TemporaryDirectory() as directory:
        async with stage() as at:
            machine = await describe(at.url, Path(directory))
    rows: list[Row] = []
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        rows += await BENCHMARKS[name](effort)
    print(f"{machine}\n\n{markdown(rows)}", flush=True)
    return rows


if __name__ == "__main__":
    main()
