"""Due sets: entries are handled when their time comes, by one scheduler each, and nobody sleeps past an earlier one."""

import asyncio

from duestream.server import Server
from scheduler.due import DueSet, Taken, settle
from tests.core import Core
from tests.running import until


class Handler:
    """Settles what it is given, and keeps it."""

    def __init__(self, server: Server, due: str) -> None:
        self.server = server
        self.due = due
        self.taken: list[str] = []

    async def handle(self, taken: Taken) -> None:
        self.taken += taken.due
        await settle(self.server, self.due, taken, list(taken.due))


def due_set(core: Core, handler: Handler, stop: asyncio.Event, *, lease_ms: int = 5000, chunk: int = 200) -> DueSet:
    keys = core.shards[0]
    return DueSet(core.server, keys, keys.due_tasks(), handler.handle, stop, lease_ms=lease_ms, chunk=chunk)


async def loop(duty: DueSet, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await duty.once()


async def test_only_what_is_due_is_taken_earliest_first(core: Core) -> None:
    due, now = core.shards[0].due_tasks(), await core.server.clock_ms()
    handler = Handler(core.server, due)
    await core.server.call("ZADD", due, now - 5, "second", now - 10, "first", now + 60_000, "later")

    await due_set(core, handler, asyncio.Event()).once()

    assert handler.taken == ["first", "second"]
    assert await core.server.call("ZRANGE", due, 0, -1) == ["later"]


async def test_an_earlier_entry_wakes_a_sleeper(core: Core) -> None:
    keys, stop = core.shards[0], asyncio.Event()
    handler = Handler(core.server, keys.due_tasks())
    await core.server.call("ZADD", keys.due_tasks(), await core.server.clock_ms() + 3_600_000, "later")
    loops = [asyncio.create_task(loop(due_set(core, handler, stop), stop)) for _ in range(2)]

    for n in range(5):
        await core.server.call("ZADD", keys.due_tasks(), 0, f"early {n}")
        await core.server.call("XADD", keys.wake_due(), "MAXLEN", 1, "*", "due", "tasks")

        async def handled(n: int = n) -> bool:
            return f"early {n}" in handler.taken

        await until(handled, "the sleeper was woken", 2.0)
    stop.set()
    await asyncio.gather(*loops)

    assert len(handler.taken) == 5


async def test_a_stop_ends_the_sleep(core: Core) -> None:
    stop = asyncio.Event()
    sleeping = asyncio.create_task(due_set(core, Handler(core.server, "unused"), stop).once())

    stop.set()

    async with asyncio.timeout(2):
        await sleeping


async def test_two_schedulers_never_handle_one_entry_twice(core: Core) -> None:
    keys, stop = core.shards[0], asyncio.Event()
    handlers = [Handler(core.server, keys.due_tasks()) for _ in range(3)]
    for n in range(300):
        await core.server.call("ZADD", keys.due_tasks(), n, f"entry {n}")
    loops = [asyncio.create_task(loop(due_set(core, each, stop, chunk=7), stop)) for each in handlers]

    async def none_left() -> bool:
        return not await core.server.call("ZCARD", keys.due_tasks())

    await until(none_left, "all are handled")
    stop.set()
    await asyncio.gather(*loops)

    taken = [entry for each in handlers for entry in each.taken]
    assert sorted(taken) == sorted(f"entry {n}" for n in range(300))


async def test_an_entry_whose_scheduler_died_comes_up_again_after_its_lease(core: Core) -> None:
    keys, stop = core.shards[0], asyncio.Event()
    handler = Handler(core.server, keys.due_tasks())
    await core.server.call("ZADD", keys.due_tasks(), 0, "entry")
    reply = await core.server.run("take", [keys.due_tasks(), keys.wake_due()], [10, 300])  # and dies

    taken_again = asyncio.create_task(loop(due_set(core, handler, stop), stop))

    async def handled() -> bool:
        return bool(handler.taken)

    await until(handled, "it comes up again")
    stop.set()
    await taken_again

    assert reply[3:] == ["entry", "0"]
    assert handler.taken == ["entry"]
    assert await core.server.clock_ms() >= int(reply[0]) + 300


async def test_settling_leaves_what_was_given_another_time_meanwhile(core: Core) -> None:
    due = core.shards[0].due_tasks()
    await core.server.call("ZADD", due, 0, "kept", 0, "gone")
    reply = await core.server.run("take", [due, core.shards[0].wake_due()], [10, 1000])
    taken = Taken(now=int(reply[0]), lease=int(reply[0]) + 1000, due={"kept": 0, "gone": 0})
    await core.server.call("ZADD", due, taken.now + 77, "kept")

    await settle(core.server, due, taken, ["kept", "gone", "unknown"])

    assert await core.server.call("ZRANGE", due, 0, -1) == ["kept"]
