"""taskiq with its Redis stream broker, 100 tasks at once and as many fetched ahead, results in database 1.

The stream broker is the one that acknowledges, and its quickest. It has no bulk call: 64 submissions are in flight.
uvloop and orjson. Timed tasks are kept by its list source and its scheduler, which runs beside the worker and looks
once a second instead of once a minute. What a worker leaves behind is claimed after ten minutes, its default.
"""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import uvloop
from taskiq import TaskiqScheduler
from taskiq.api import run_receiver_task, run_scheduler_task
from taskiq.serializers import ORJSONSerializer
from taskiq_redis import ListRedisScheduleSource, RedisAsyncResultBackend, RedisStreamBroker

from benchmarks.peers.programs import program
from benchmarks.peers.programs.program import IN_FLIGHT, Order, main

AT_ONCE = 100
RESULTS = 1  # the database
CONNECTIONS = 200


class Tasks:
    """The broker and the tasks it knows."""

    def __init__(self, url: str) -> None:
        results = RedisAsyncResultBackend(
            f"{url}/{RESULTS}", max_connection_pool_size=CONNECTIONS, serializer=ORJSONSerializer()
        )
        broker = RedisStreamBroker(url, consumer_id="0", max_connection_pool_size=CONNECTIONS, xread_count=100)
        self.broker = broker.with_result_backend(results).with_serializer(ORJSONSerializer())
        self.source = ListRedisScheduleSource(url, max_connection_pool_size=IN_FLIGHT)
        self.known = {
            name: self.broker.register_task(function, task_name=name)
            for name, function in (("length", program.length), ("sleeper", program.sleeper), ("timed", program.timed))
        }


async def _put(url: str, orders: list[Order]) -> float:
    tasks = Tasks(url)
    await tasks.broker.startup()

    async def submit(name: str, number: float) -> None:
        task = tasks.known[name]
        if name == "timed":
            due = datetime.fromtimestamp(number, UTC)
            await task.schedule_by_time(tasks.source, due, *program.arguments(name, number))
        else:
            await task.kiq(*program.arguments(name, number))

    took = [await program.many(order, submit) for order in orders]
    await tasks.broker.shutdown()
    return took[-1]


async def _work(url: str, at_once: int) -> None:
    tasks = Tasks(url)
    await tasks.broker.startup()
    scheduler = TaskiqScheduler(tasks.broker, [tasks.source])
    await asyncio.gather(
        run_receiver_task(tasks.broker, max_async_tasks=at_once or AT_ONCE, max_prefetch=AT_ONCE),
        run_scheduler_task(scheduler, run_startup=True, interval=timedelta(seconds=1)),
    )


def put(url: str, orders: list[Order]) -> float:
    return uvloop.run(_put(url, orders))


def work(url: str, at_once: int) -> None:
    logging.disable(logging.INFO)
    uvloop.run(_work(url, at_once))


if __name__ == "__main__":
    main(put, work)
