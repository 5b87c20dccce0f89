"""The benchmarks' peers: a comparison is worth what was pinned, and what counts as done."""

import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from fakeredis import FakeAsyncRedis

from benchmarks.peers.catalogue import PEERS
from benchmarks.peers.environments import Environment, Missing, cache
from benchmarks.peers.programs.program import PAYLOAD, Order
from benchmarks.peers.results import Completed, Each, Hash
from benchmarks.peers.running import PACKAGE, PROGRAMS, PeerFailed, Starts, running


@pytest.fixture(autouse=True)
def _cached_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def written(environment: Environment, text: str) -> None:
    environment.folder.mkdir(parents=True, exist_ok=True)
    (environment.folder / "pins").write_text(text)


def test_a_peer_is_what_was_pinned() -> None:
    assert list(PEERS) == ["taskiq", "saq", "arq", "huey", "celery", "bullmq"]
    for peer in PEERS.values():
        separator = "@" if peer.environment.node else "=="
        for pin in peer.environment.pins:
            name, _, version = pin.partition(separator)
            assert name, pin
            assert version[0].isdigit(), pin
        assert peer.environment.pins[0].endswith(f"{separator}{peer.version}")
        assert (PROGRAMS / peer.program).is_file()


def test_an_environment_is_in_the_cache_under_its_own_name() -> None:
    environment = Environment("saq", ("saq==1.0",))

    assert environment.folder == cache() / "saq"
    assert environment.command(PROGRAMS / "saq_peer.py", PACKAGE) == [
        str(cache() / "saq" / "bin" / "python"),
        "-m",
        "benchmarks.peers.programs.saq_peer",
    ]


async def test_a_complete_environment_is_used_as_it_is() -> None:
    environment = Environment("saq", ("saq==1.0",))
    written(environment, environment.described)

    await environment.make()

    assert [path.name for path in environment.folder.iterdir()] == ["pins"]


@pytest.mark.parametrize("other", [Environment("saq", ("saq==1.1",)), Environment("saq", ("saq==1.0", "redis==7"))])
def test_an_environment_with_other_pins_is_not_complete(other: Environment) -> None:
    environment = Environment("saq", ("saq==1.0",))
    written(environment, environment.described)

    assert environment.complete
    assert not other.complete


async def test_a_peer_that_cannot_be_installed_is_missing_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(Missing, match="no npm"):
        await Environment("bullmq", ("bullmq@1.0",)).make()


async def test_what_is_left_of_an_installation_that_failed_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = Environment("saq", ("saq==1.0",))
    monkeypatch.setattr(sys, "executable", "/bin/false")

    with pytest.raises(Missing, match="/bin/false"):
        await environment.make()

    assert not environment.complete


def test_jobs_sleep_as_long_as_they_are_told() -> None:
    assert list(Order(2).jobs()) == [("length", 0), ("length", 0)]
    assert list(Order(2, 3.0).jobs()) == [("sleeper", 3.0), ("sleeper", 3.0)]


def test_timed_jobs_fall_due_evenly_one_after_the_other() -> None:
    before = time.time()

    names, dues = zip(*Order(10, within=5.0).jobs(), strict=True)

    assert set(names) == {"timed"}
    assert dues[0] > before
    assert [later - sooner for sooner, later in pairwise(dues)] == pytest.approx([0.5] * 9, abs=1e-3)


def test_the_payload_is_100_characters_of_json() -> None:
    assert len(f'"{PAYLOAD}"') == 100


def test_starts_are_read_in_order_without_one_that_is_being_written(tmp_path: Path) -> None:
    starts = Starts(tmp_path / "starts")
    assert starts.read() == []

    starts.path.write_text("20.5 0.000000\n10.25 9.750000\n30.7")

    assert starts.read() == [(10.25, 9.75), (20.5, 0.0)]


async def test_only_results_of_success_are_counted_as_such() -> None:
    store = FakeAsyncRedis()
    await store.mset({"r:1": b'{"ok":true}', "r:2": b'{"ok":false}', "other": b'{"ok":true}'})
    await store.hset("h", mapping={"1": b"Kb", "2": b"Error"})

    assert await Each("r:*", b'"ok":true').succeeded(store) == 1
    assert await Hash("h", b"Kb").succeeded(store) == 1


async def test_what_is_done_is_told_by_what_is_left_by_all_keys_or_by_a_size() -> None:
    store = FakeAsyncRedis()
    await store.zadd("left", {"a": 1, "b": 2})
    await store.hset("h", mapping={"1": b"", "2": b"", "3": b""})

    assert await Each("r:*", b"", left="left").done(store, 10) == 8
    assert await Each("r:*", b"").done(store, 10) == 2
    assert await Hash("h", b"").done(store, 10) == 3
    assert await Completed("left").done(store, 10) == 2


class Shown(Environment, frozen=True):
    """One whose programs are run by `sh -c`."""

    def command(self, program: Path, package: str) -> list[str]:
        return ["/bin/sh", "-c", 'case "$0" in ok) echo first; echo 12.5;; bad) echo why; exit 3;; *) exec cat;; esac']


async def test_a_program_s_last_line_is_what_it_found(tmp_path: Path) -> None:
    async with running(Shown("shown", ("shown==1",)), "any", ["ok"], Starts(tmp_path / "starts")) as program:
        assert await program.over(30) == "12.5"


async def test_a_program_that_fails_says_what_it_said(tmp_path: Path) -> None:
    async with running(Shown("shown", ("shown==1",)), "any", ["bad"], Starts(tmp_path / "starts")) as program:
        with pytest.raises(PeerFailed, match="status 3:\nwhy"):
            await program.over(30)
        with pytest.raises(PeerFailed, match="status 3:\nwhy"):
            program.check()
