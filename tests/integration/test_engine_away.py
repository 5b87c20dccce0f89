"""A real engine that goes away, hangs, or loses its connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import runner.engine
from runner.client import Stream
from runner.engine import Engine, EngineAway
from tests.integration.engines import SOCKET, Try, containers_of, docker
from tests.running import DEADLINE, until

pytestmark = pytest.mark.usefixtures("busybox")


class Way:
    """The way to the engine, as a socket of its own that can be cut, or go dead."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.dead = False
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        self.path.unlink(missing_ok=True)
        self.cut()
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Break all that is connected now."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(SOCKET)
        both = {writer, back}
        self._writers |= both
        tasks = {asyncio.create_task(self._carry(*pair)) for pair in ((reader, back), (there, writer))}
        self._tasks |= tasks
        await asyncio.wait(tasks)
        self._tasks -= tasks
        self._writers -= both

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if not self.dead:
                    writer.write(data)
                    await writer.drain()
        writer.transport.abort()


@pytest.fixture
async def way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Way]:
    way = Way(tmp_path / "docker.sock")
    await way.open()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{way.path}")
    yield way
    await way.close()


@pytest.fixture
async def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")


async def test_an_engine_that_answers_is_available(engine: Engine) -> None:
    assert await engine.available()


@pytest.mark.usefixtures("nowhere")
async def test_an_engine_that_is_not_there_is_away(engine: Engine, job: str) -> None:
    assert not await engine.available()
    with pytest.raises(EngineAway) as away:
        await Try(engine, "true", job=job).run()
    with pytest.raises(EngineAway):
        await engine.remove(job)
    with pytest.raises(EngineAway):
        await engine.leftovers()

    assert "none.sock" not in str(away.value)


async def test_an_engine_that_hangs_is_not_available(engine: Engine, way: Way) -> None:
    assert await engine.available()

    way.dead = True

    assert not await engine.available()
    await way.close()
    await way.open()


async def test_a_way_that_breaks_now_and_then_loses_and_doubles_no_line(engine: Engine, job: str, way: Way) -> None:
    one = Try(engine, "n=0; while [ $n -lt 300 ]; do n=$((n+1)); echo $n; sleep 0.005; done; exit 6", job=job)
    running = one.begin()
    for n in (20, 80, 150, 220):
        await one.says(f"\n{n}\n")
        way.cut()

    outcome = await running

    assert outcome.exit_code == 6
    assert one.text == "".join(f"{n}\n" for n in range(1, 301))


async def test_a_silent_log_is_asked_for_again_without_doubles(
    engine: Engine, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Stream] = []
    begin = Stream.__init__

    def counted(self: Stream, ask: Any) -> None:
        asked.append(self)
        begin(self, ask)

    monkeypatch.setattr("runner.client.LOG", 0.2)
    monkeypatch.setattr(Stream, "__init__", counted)
    one = Try(engine, "echo one; echo two; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo three", job=job)
    running = one.begin()
    await one.says("two")
    so_far = len(asked)

    async def again() -> bool:
        return len(asked) > so_far + 2

    await until(again, "the log is asked for again")
    docker("exec", *containers_of(job), "touch", "/tmp/go")
    await running

    assert one.text == "one\ntwo\nthree\n"


async def test_an_engine_that_stays_away_is_told_and_the_container_goes_on(
    engine: Engine, job: str, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner.engine, "PATIENCE", 0.5)
    one = Try(engine, "echo begun; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo ended", job=job)
    running = one.begin()
    await one.says("begun")

    await way.close()
    with pytest.raises(EngineAway):
        await running
    await way.open()
    again = one.begin(since=one.stamps[-1])
    docker("exec", *containers_of(job), "touch", "/tmp/go")
    outcome = await again

    assert (outcome.exit_code, one.text) == (0, "begun\nended\n")


@pytest.mark.parametrize("returns", [True, False])
async def test_an_engine_that_hangs_is_waited_for_but_not_for_ever(
    engine: Engine, job: str, way: Way, monkeypatch: pytest.MonkeyPatch, returns: bool
) -> None:
    monkeypatch.setattr("runner.client.LOG", 0.1)
    monkeypatch.setattr("runner.containers.INSPECT", 0.1)
    monkeypatch.setattr(runner.engine, "PATIENCE", DEADLINE if returns else 0.5)
    one = Try(engine, "echo begun; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo ended", job=job)
    running = one.begin()
    await one.says("begun")

    way.dead = True
    docker("exec", *containers_of(job), "touch", "/tmp/go")
    docker("wait", *containers_of(job))

    if returns:
        assert not running.done()
        way.dead = False
        way.cut()
        assert (await running).exit_code == 0
        assert one.text == "begun\nended\n"
    else:
        with pytest.raises(EngineAway):
            await running
