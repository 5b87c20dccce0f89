"""Ids of jobs."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from duestream.ids import Ids, low_for, sequence
from duestream.keys import shard_of

NOW = 1_795_000_000_000


@given(calls=st.lists(st.tuples(st.integers(0, 50), st.integers(1, 40)), min_size=1, max_size=20))
def test_ids_of_a_process_ascend_and_none_comes_twice(calls: list[tuple[int, int]]) -> None:
    ids, now, made = Ids(), NOW, []

    for passed, count in calls:
        now += passed
        made += ids.make(now, count)

    assert made == sorted(set(made))


def test_ids_ascend_though_the_clock_goes_back() -> None:
    ids = Ids()

    made = ids.make(NOW) + ids.make(NOW - 1000, 2) + ids.make(NOW)

    assert made == sorted(set(made))


def test_an_id_is_a_uuid_of_version_7_with_its_time() -> None:
    for id in Ids().make(NOW, 300, low=0xFFFFFFFF):
        read = uuid.UUID(hex=id)
        assert (len(id), read.version, read.variant) == (32, 7, uuid.RFC_4122)
        assert read.int >> 80 == NOW


def test_two_processes_make_different_ids_in_one_millisecond() -> None:
    made = [id for _ in range(50) for id in Ids().make(NOW, 50)]

    assert len(set(made)) == 2500


@given(shards=st.integers(1, 1024), digest=st.integers(0, 2**64 - 1), data=st.data())
def test_an_id_lives_in_the_shard_that_was_asked_for(shards: int, digest: int, data: st.DataObject) -> None:
    shard = data.draw(st.integers(0, shards - 1))

    made = Ids().make(NOW, 3, low=low_for(shard, shards, digest))

    assert {shard_of("jobs", id, shards) for id in made} == {shard}


@given(count=st.integers(1, 10_000))
def test_the_ids_of_a_call_follow_from_its_first_one(count: int) -> None:
    made = Ids().make(NOW, count)

    assert sequence(made[0], count) == made
