"""What is counted in Redis, and how far groups are behind."""

from duestream.applying import TASKS, apply
from duestream.group import PROJECTOR, Consumer
from duestream.lag import lags
from duestream.stats import BUCKETS_MS, NoticeStats, count_notices, notice_stats
from tests.core import Core


async def test_counted_notices_add_up_over_shards_in_cumulative_buckets(core: Core) -> None:
    for keys in core.shards:
        await count_notices(core.server, keys, [0, 1, 7, 3_000_000])
        await count_notices(core.server, keys, [-5])

    stats = await notice_stats(core.server, core.shards)

    shards = len(core.shards)
    assert (stats.given, stats.late_ms) == (5 * shards, 3_000_008 * shards)
    by_bound = dict(zip(BUCKETS_MS, stats.buckets, strict=True))
    assert (by_bound[1], by_bound[5], by_bound[10], by_bound[60_000]) == (
        3 * shards,
        3 * shards,
        4 * shards,
        4 * shards,
    )


async def test_nothing_counted_is_nought(core: Core) -> None:
    await count_notices(core.server, core.shards[0], [])

    assert await notice_stats(core.server, core.shards) == NoticeStats(0, 0, (0,) * len(BUCKETS_MS))
    assert await lags(core.server, core.shards) == []


async def test_lag_counts_what_is_not_given_and_what_is_not_applied(core: Core) -> None:
    keys, consumer = core.shards[0], core.consumers[0]
    await consumer.join()
    for _ in range(6 * len(core.shards)):
        await core.create()

    assert [each.entries for each in await lags(core.server, [keys])] == [6]
    batch = await consumer.read(count=4, block_ms=1)
    (lag,) = await lags(core.server, [keys])
    assert (lag.kind, lag.shard, lag.group, lag.entries) == ("tasks", 0, PROJECTOR, 6)
    assert lag.seconds >= 0

    await apply(core.server, keys, TASKS, batch)
    assert [each.entries for each in await lags(core.server, [keys])] == [2]
    await core.project()
    (lag,) = await lags(core.server, [keys])
    assert (lag.entries, lag.seconds) == (0, 0.0)


async def test_the_age_is_that_of_the_oldest_unfinished_entry(core: Core) -> None:
    keys = core.shards[0]
    ago = await core.server.clock_ms() - 60_000
    await core.server.call("XADD", keys.journal("tasks"), f"{ago}-0", "a", "b")
    await Consumer(core.server, keys.journal("tasks"), group=PROJECTOR, name="n").join()

    (lag,) = await lags(core.server, [keys])

    assert 60 <= lag.seconds < 90
