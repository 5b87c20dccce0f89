"""The connection: what is Unavailable and what is Misuse, many calls at one moment, the number of shards."""

import asyncio

import pytest

from duestream.errors import Misuse, Unavailable, WrongShards
from duestream.server import Server, agree_on_shards, connect
from tests import stores
from tests.core import Core
from tests.stores import Store, free_port


async def test_more_calls_at_one_moment_than_connections_take_turns(core: Core) -> None:
    key = core.shards[0].stats()

    await asyncio.gather(*(core.server.call("HINCRBY", key, "n", 1) for _ in range(500)))

    assert await core.server.call("HGET", key, "n") == "500"


async def test_calls_that_block_hold_nobody_up(core: Core) -> None:
    keys = core.shards[0]
    blocked = [
        asyncio.ensure_future(core.server.call("XREAD", "BLOCK", 5000, "STREAMS", keys.wake_due(), "0"))
        for _ in range(150)
    ]
    await asyncio.sleep(0)

    async with asyncio.timeout(4):
        assert await core.server.call("HGET", keys.stats(), "n") is None
    await core.server.call("XADD", keys.wake_due(), "1-1", "due", "tasks")

    assert [reply[0][1][0][0] for reply in await asyncio.gather(*blocked)] == ["1-1"] * 150


async def test_the_number_of_shards_is_kept_with_the_data(core: Core) -> None:
    await agree_on_shards(core.server, 4)
    await agree_on_shards(core.server, 4)

    with pytest.raises(WrongShards, match="DUESTREAM_SHARDS is 2, but this data was written with 4 shards"):
        await agree_on_shards(core.server, 2)


async def test_the_clock_is_the_servers(core: Core) -> None:
    seconds, _ = await core.server.call("TIME")

    assert 0 <= await core.server.clock_ms() - int(seconds) * 1000 < 60_000


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="nothing answers at"):
        async with connect(f"redis://user:secret@127.0.0.1:{free_port()}", patience=0.2):
            pass


async def test_an_impossible_address_is_a_misuse_that_tells_no_password() -> None:
    with pytest.raises(Misuse, match="DUESTREAM_REDIS_URL") as error:
        async with connect("http://user:secret@127.0.0.1"):
            pass

    assert "secret" not in str(error.value)


async def test_a_server_that_goes_away_is_unavailable_and_one_that_comes_back_is_found_again() -> None:
    with stores.valkey() as store:
        async with connect(store.url) as server:
            await server.call("SET", "ds:{0}:x", 1)
            store.nodes[0].kill()
            with pytest.raises(Unavailable):
                await server.call("GET", "ds:{0}:x")
            waiting = asyncio.ensure_future(server.call("GET", "ds:{0}:x", patience=20))

            await asyncio.to_thread(store.nodes[0].start)

            assert await waiting == "1"


async def test_patience_ends(valkey: Store) -> None:
    async with connect(valkey.url) as server:
        never = asyncio.Event()

        with pytest.raises(Unavailable):
            await server.patiently(never.wait, 0.05)


async def test_a_failed_call_is_repeated_within_the_patience(server: Server) -> None:
    failures = [Unavailable("once"), Unavailable("twice")]

    async def call() -> str:
        if failures:
            raise failures.pop()
        return "done"

    assert await server.patiently(call, 5) == "done"


async def test_a_server_that_has_no_memory_left_is_unavailable_until_it_has() -> None:
    with stores.valkey() as store:
        async with connect(store.url) as server:
            await server.call("CONFIG", "SET", "maxmemory", "1")

            with pytest.raises(Unavailable, match="maxmemory"):
                await server.call("SET", "ds:{0}:x", 1)

            await server.call("CONFIG", "SET", "maxmemory", "0")
            assert await server.call("SET", "ds:{0}:x", 1)
