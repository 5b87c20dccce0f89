"""huey, with 50 greenlets, each of them on a connection of its own.

It has no bulk call, and a submission is one LPUSH: one after the other is its quickest. Results stay in its hash until
they are read. It has no way to find what a worker leaves behind.
"""

from gevent import monkey

monkey.patch_all()

import time
from datetime import datetime

from huey import RedisHuey
from huey.consumer import Consumer
from redis import ConnectionPool

from benchmarks.peers.programs.program import Order, arguments, main, starts

GREENLETS = 50


class Tasks:
    """The queue and the tasks it knows."""

    def __init__(self, url: str, *, connections: int = 100) -> None:
        pool = ConnectionPool.from_url(url, max_connections=connections)
        self.huey = RedisHuey("peer", connection_pool=pool)
        self.known = {each.__name__: self.huey.task(name=each.__name__)(each) for each in (length, sleeper, timed)}


def length(payload: str) -> int:
    starts.first()
    return len(payload)


def sleeper(payload: str, seconds: float) -> int:
    starts.note()
    time.sleep(seconds)
    return len(payload)


def timed(payload: str, due: float) -> int:
    starts.note(due)
    return len(payload)


def put(url: str, orders: list[Order]) -> float:
    tasks = Tasks(url)
    took = 0.0
    for order in orders:
        started = time.perf_counter()
        for name, number in order.jobs():
            task = tasks.known[name]
            if name == "timed":
                task.schedule(arguments(name, number), eta=datetime.fromtimestamp(number))
            else:
                task(*arguments(name, number))
        took = time.perf_counter() - started
    return took


def work(url: str, at_once: int) -> None:
    greenlets = at_once or GREENLETS
    tasks = Tasks(url, connections=greenlets + 10)
    Consumer(tasks.huey, workers=greenlets, worker_type="greenlet", periodic=False).run()


if __name__ == "__main__":
    main(put, work)
