"""arq, with 20 jobs at once, 100 read at a time and a poll every 10 ms: by default it drains a tenth of that.

It has no bulk call: 64 submissions are in flight. Jobs and results are JSON, which costs what its pickle does. What a
worker leaves behind is free again when its time-out, 300 s by default, and 10 s more have passed.
"""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import uvloop
from arq import create_pool
from arq.connections import RedisSettings
from arq.worker import Worker

from benchmarks.peers.programs import program
from benchmarks.peers.programs.program import Order, main

AT_ONCE = 20
READ = 100  # at a time
POLL = 0.01  # seconds


def encode(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()


async def length(_: object, payload: str) -> int:
    return await program.length(payload)


async def sleeper(_: object, payload: str, seconds: float) -> int:
    return await program.sleeper(payload, seconds)


async def timed(_: object, payload: str, due: float) -> int:
    return await program.timed(payload, due)


async def _put(url: str, orders: list[Order]) -> float:
    pool = await create_pool(RedisSettings.from_dsn(url), job_serializer=encode, job_deserializer=json.loads)

    async def submit(name: str, number: float) -> None:
        due = datetime.fromtimestamp(number, UTC) if name == "timed" else None
        await pool.enqueue_job(name, *program.arguments(name, number), _defer_until=due)

    took = [await program.many(order, submit) for order in orders]
    await pool.aclose()
    return took[-1]


def put(url: str, orders: list[Order]) -> float:
    return uvloop.run(_put(url, orders))


def work(url: str, at_once: int) -> None:
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    Worker(
        functions=[length, sleeper, timed],
        redis_settings=RedisSettings.from_dsn(url),
        max_jobs=at_once or AT_ONCE,
        queue_read_limit=max(READ, at_once),
        poll_delay=POLL,
        job_serializer=encode,
        job_deserializer=json.loads,
        log_results=False,
    ).run()


if __name__ == "__main__":
    main(put, work)
