"""celery: one prefork child for no-op tasks, greenlets for those that sleep, up to 2,000 of them.

Tasks are acknowledged late and given back when their worker is lost, else a killed worker takes them with it; Redis
holds them back for its visibility time-out, an hour by default. More greenlets than 100 acknowledge early, as celery
does by default: late, a thousand of them took minutes, and one never ended. No prefetch limit, no events, gossip,
mingle or heartbeat. Submissions one after the other: its group is slower. Results in database 1.
"""

import sys

GREENLETS = sys.argv[1:2] == ["work"] and sys.argv[3:4] != ["0"]
if GREENLETS:
    from gevent import monkey

    monkey.patch_all()

import time
from datetime import UTC, datetime
from typing import Any

from celery import Celery

from benchmarks.peers.programs.program import Order, arguments, main, starts

RESULTS = 1  # the database
MOST_GREENLETS = 2000
MOST_LATE = 100  # greenlets that acknowledge late


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


def application(url: str, at_once: int = 0) -> tuple[Celery, dict[str, Any]]:
    """The application, and its tasks by name."""
    app = Celery("peer", broker=f"{url}/0", backend=f"{url}/{RESULTS}", set_as_current=True)
    app.conf.update(
        task_acks_late=at_once <= MOST_LATE,
        task_reject_on_worker_lost=at_once <= MOST_LATE,
        worker_prefetch_multiplier=0,
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
        task_send_sent_event=False,
        broker_connection_retry_on_startup=True,
    )
    return app, {each.__name__: app.task(name=each.__name__)(each) for each in (length, sleeper, timed)}


def put(url: str, orders: list[Order]) -> float:
    _, tasks = application(url)
    took = 0.0
    for order in orders:
        started = time.perf_counter()
        for name, number in order.jobs():
            if name == "timed":
                tasks[name].apply_async(arguments(name, number), eta=datetime.fromtimestamp(number, UTC))
            else:
                tasks[name].delay(*arguments(name, number))
        took = time.perf_counter() - started
    return took


def work(url: str, at_once: int) -> None:
    app, _ = application(url, at_once)
    pool = (
        ["--pool=gevent", f"--concurrency={min(at_once, MOST_GREENLETS)}"]
        if GREENLETS
        else ["--pool=prefork", "--concurrency=1"]
    )
    app.worker_main(
        ["worker", *pool, "--loglevel=ERROR", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    )


if __name__ == "__main__":
    main(put, work)
