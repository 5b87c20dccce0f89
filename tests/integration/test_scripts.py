"""The scripts on a real server: they reach it whether it knows them or not, and those of the list and the counters."""

from redis import Redis

from duestream.group import PROJECTOR
from duestream.scripts import script
from tests.core import Core
from tests.stores import Store


async def test_a_script_runs_on_a_server_that_has_never_seen_it(store: Store, core: Core) -> None:
    for node in store.nodes:
        with Redis.from_url(node.url) as client:
            client.script_flush()

    for keys in core.shards:
        assert await core.server.run("lag", [keys.journal("tasks"), keys.progress("tasks")], [PROJECTOR]) == []

    knowing = 0
    for node in store.nodes:
        with Redis.from_url(node.url) as client:
            knowing += client.script_exists(script("lag").sha)[0]
    assert knowing >= 1


async def test_a_page_starts_after_a_number_and_leaves_out_what_a_clear_covers(core: Core) -> None:
    keys = core.shards[0]
    for n in (2, 5, 9, 10, 11):
        await core.server.call("ZADD", keys.listed("tasks"), n, str(n))
    names = [keys.listed("tasks"), keys.view("tasks")]

    assert await core.server.run("page", names, [-1, 0, 10]) == ["2", "5", "9", "10", "11"]
    assert await core.server.run("page", names, [2, 1, 2]) == ["9", "10"]
    await core.server.call("HSET", keys.view("tasks"), "cleared", 9)
    assert await core.server.run("page", names, [2, 0, 10]) == ["10", "11"]
    assert await core.server.run("covered", names, [2]) == ["2", "5"]


async def test_entries_are_found_by_their_ids_and_unknown_ones_left_out(core: Core) -> None:
    keys = core.shards[0]
    while not (found := [entry for home, entry, _ in await core.raw() if home is keys]):
        await core.create()

    reply = await core.server.run("entries", [keys.journal("tasks")], ["1-1", found[0]])

    assert [entry for entry, _ in reply] == [found[0]]


async def test_counters_add_up(core: Core) -> None:
    stats = core.shards[0].stats()

    await core.server.run("count", [stats], ["a", 1, "b", 5])
    await core.server.run("count", [stats], ["a", 2])

    assert await core.server.call("HGETALL", stats) == {"a": "3", "b": "5"}


async def test_what_stands_of_some_tasks_is_told_in_their_order(core: Core) -> None:
    keys = core.shards[0]
    await core.server.call("HSET", keys.task("8"), "rev", 1)
    await core.server.call("HSET", keys.heads("tasks"), "8", "1 open")
    await core.server.call("ZADD", keys.listed("tasks"), 8, "8")
    names = [keys.heads("tasks"), keys.due_tasks(), keys.listed("tasks"), keys.task("4"), keys.task("8")]

    standing = await core.server.run("standing", names, [1, "list", "4", "8"])

    assert standing == [[[], "", "", ""], [["rev", "1"], "1 open", "list", ""]]
