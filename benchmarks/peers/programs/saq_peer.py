"""saq, with a concurrency of 100: less leaves it waiting for Redis, more costs it time for nothing.

It has no bulk call: 64 submissions are in flight, and as many of its operations may be. A job may be tried three times,
else what its worker leaves behind is aborted. It sweeps before it works: a sweep beside the first fetches, as a worker
does by itself, aborts some of what is being fetched. uvloop and orjson. All else is as it comes.
"""

import orjson
import uvloop
from redis.asyncio import Redis
from saq import Queue, Worker
from saq.queue.redis import RedisQueue

from benchmarks.peers.programs import program
from benchmarks.peers.programs.program import IN_FLIGHT, Order, main

CONCURRENCY = 100


def queue(url: str) -> Queue:
    return RedisQueue(Redis.from_url(url), dump=orjson.dumps, load=orjson.loads, max_concurrent_ops=IN_FLIGHT)


async def length(_: object, *, payload: str) -> int:
    return await program.length(payload)


async def sleeper(_: object, *, payload: str, number: float) -> int:
    return await program.sleeper(payload, number)


async def timed(_: object, *, payload: str, number: float) -> int:
    return await program.timed(payload, number)


async def _put(url: str, orders: list[Order]) -> float:
    jobs = queue(url)

    async def submit(name: str, number: float) -> None:
        given = dict(zip(("payload", "number"), program.arguments(name, number), strict=False))
        await jobs.enqueue(name, retries=3, scheduled=int(number) if name == "timed" else 0, **given)

    took = [await program.many(order, submit) for order in orders]
    await jobs.disconnect()
    return took[-1]


async def _work(url: str, at_once: int) -> None:
    jobs = queue(url)
    await jobs.sweep()
    await Worker(jobs, functions=[length, sleeper, timed], concurrency=at_once or CONCURRENCY).start()


def put(url: str, orders: list[Order]) -> float:
    return uvloop.run(_put(url, orders))


def work(url: str, at_once: int) -> None:
    uvloop.run(_work(url, at_once))


if __name__ == "__main__":
    main(put, work)
