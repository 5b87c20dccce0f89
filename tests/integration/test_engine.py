"""Containers on a real engine."""

import asyncio
import contextlib
import os
import subprocess
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import runner.engine
from runner.client import Stream
from runner.engine import ContainerSpec, Engine, EngineAway, Outcome
from tests import images
from tests.registry import Registry
from tests.registry import registry as a_registry
from tests.running import DEADLINE, until

SOCKET = "/var/run/docker.sock"
MIB = 1024 * 1024
pytestmark = pytest.mark.usefixtures("busybox")


class Try:
    """One run of one job, and what its log was told."""

    def __init__(self, engine: Engine, script: str = "", *, job: str, run: str = "1", **spec: Any) -> None:
        self.engine = engine
        self.job, self.name = job, run
        self.spec = ContainerSpec(image=images.BUSYBOX, command=["sh", "-c", script])
        self.spec = msgspec.structs.replace(self.spec, **spec)
        self.stop = asyncio.Event()
        self.lines: list[tuple[str, str]] = []
        self.stamps: list[str] = []

    async def run(self, *, timeout: float = 0, since: str = "") -> Outcome:
        return await self.engine.run(
            self.job, self.name, self.spec, timeout=timeout, stop=self.stop, log=self._log, since=since
        )

    async def _log(self, stream: str, text: str, stamp: str) -> None:
        self.lines.append((stream, text))
        self.stamps.append(stamp)

    def begin(self, **options: Any) -> asyncio.Task[Outcome]:
        return asyncio.create_task(self.run(**options))

    @property
    def text(self) -> str:
        return "".join(text for _, text in self.lines)

    async def says(self, text: str) -> None:
        async def said() -> bool:
            return text in self.text

        await until(said, f"the log has {text!r}", 30)


def docker(*arguments: str) -> str:
    command = ["docker", "--host", f"unix://{SOCKET}", *arguments]  # also where a test leads the engine astray
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def containers_of(job: str) -> list[str]:
    return docker("ps", "-aq", "--filter", f"label=duestream.job={job}").split()


@pytest.fixture(scope="module")
def busybox() -> str:
    return images.busybox()


@pytest.fixture
def job() -> Iterator[str]:
    """The id of a job that nobody else has; its containers are gone in the end."""
    job = os.urandom(8).hex()
    yield job
    for id in containers_of(job):
        docker("rm", "-fv", id)


@contextlib.asynccontextmanager
async def an_engine(**options: Any) -> AsyncIterator[Engine]:
    engine = Engine(**{"threads": 4, "images": [], "grace": 10.0, **options})
    try:
        yield engine
    finally:
        await engine.close()


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    async with an_engine() as engine:
        yield engine


# --- how containers end ---


async def test_a_container_that_ends_with_0_succeeds(engine: Engine, job: str) -> None:
    outcome = await Try(engine, "true", job=job).run()

    assert (outcome.exit_code, outcome.error) == (0, "")
    assert (outcome.oom_killed, outcome.timed_out, outcome.canceled) == (False, False, False)
    assert outcome.started.startswith("20")
    assert outcome.finished.startswith("20")
    assert outcome.image_digest == docker("image", "inspect", images.BUSYBOX, "--format", "{{.Id}}").strip()


async def test_an_exit_code_is_told(engine: Engine, job: str) -> None:
    outcome = await Try(engine, "exit 3", job=job).run()

    assert (outcome.exit_code, outcome.error) == (3, "exit code 3")


async def test_output_comes_by_stream_as_it_was_written(engine: Engine, job: str) -> None:
    one = Try(engine, "echo out; echo err >&2; echo; printf 'grün\\nno newline'", job=job)

    await one.run()

    assert [text for stream, text in one.lines if stream == "stdout"] == ["out\n", "\n", "grün\n", "no newline"]
    assert [text for stream, text in one.lines if stream == "stderr"] == ["err\n"]


async def test_much_output_and_long_lines_come_whole(engine: Engine, job: str) -> None:
    one = Try(engine, "seq 1 5000; head -c 100000 /dev/zero | tr '\\0' x; echo; echo end", job=job)

    await one.run()

    assert one.text == "".join(f"{n}\n" for n in range(1, 5001)) + "x" * 100_000 + "\nend\n"


async def test_output_arrives_while_the_container_runs(engine: Engine, job: str) -> None:
    one = Try(engine, "echo ready; sleep 1000", job=job)
    running = one.begin()

    await one.says("ready")

    assert not running.done()
    one.stop.set()
    engine._grace = 0.1
    await running


async def test_too_much_memory_is_killed_and_told(engine: Engine, job: str) -> None:
    # Engines miss such a death where it comes just as a container starts, or ends it at once.
    wait = "echo ready; while [ ! -e /tmp/go ]; do sleep 0.05; done"
    greedy = Try(
        engine,
        f"{wait}; sh -c 'x=a; while :; do x=$x$x; done'; code=$?; sleep 1; exit $code",
        job=job,
        memory=8 * MIB,
    )
    running = greedy.begin()
    await greedy.says("ready")

    docker("exec", *containers_of(job), "touch", "/tmp/go")
    outcome = await running

    assert (outcome.exit_code, outcome.oom_killed, outcome.error) == (137, True, "killed: out of memory")


async def test_a_timeout_stops_a_container_gently_and_keeps_its_log(engine: Engine, job: str) -> None:
    one = Try(engine, "trap 'echo bye; exit 5' TERM; echo hello; while :; do sleep 0.1; done", job=job)

    outcome = await one.run(timeout=1)

    assert (outcome.exit_code, outcome.timed_out, outcome.canceled) == (5, True, False)
    assert outcome.error == "timed out after 1 s"
    assert one.text == "hello\nbye\n"


async def test_a_container_that_stops_on_demand_keeps_log_and_exit_code(engine: Engine, job: str) -> None:
    one = Try(engine, "trap 'echo bye; exit 5' TERM; echo hello; while :; do sleep 0.1; done", job=job)
    running = one.begin()
    await one.says("hello")

    one.stop.set()
    outcome = await running

    assert (outcome.exit_code, outcome.canceled, outcome.timed_out, outcome.error) == (5, True, False, "canceled")
    assert one.text == "hello\nbye\n"


async def test_a_container_that_ignores_the_demand_is_killed(job: str) -> None:
    async with an_engine(grace=0.2) as engine:
        one = Try(engine, "trap '' TERM; echo hello; while :; do sleep 0.1; done", job=job)
        running = one.begin()
        await one.says("hello")

        one.stop.set()
        outcome = await running

    assert (outcome.exit_code, outcome.canceled, outcome.error) == (137, True, "canceled")


async def test_a_stop_after_the_end_changes_nothing(engine: Engine, job: str) -> None:
    one = Try(engine, "echo over", job=job)
    held = asyncio.Event()

    async def log(stream: str, text: str, stamp: str) -> None:
        await held.wait()

    one._log = log  # type: ignore[method-assign]
    running = one.begin()

    async def over() -> bool:
        return "Exited" in docker("ps", "-a", "--filter", f"label=duestream.job={job}", "--format", "{{.Status}}")

    await until(over, "the container has ended")

    one.stop.set()
    held.set()
    outcome = await running

    assert (outcome.exit_code, outcome.canceled) == (0, False)


# --- containers that do not come to run ---


async def test_what_is_stopped_before_its_start_does_not_start(engine: Engine, job: str) -> None:
    one = Try(engine, "echo never", job=job)
    one.stop.set()

    outcome = await one.run()

    assert (outcome.exit_code, outcome.canceled, outcome.error) == (None, True, "canceled before it started")
    assert containers_of(job) == []


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"image": "duestream-none:1", "pull": "never"}, "image duestream-none:1 is missing"),
        ({"image": "127.0.0.1:9/none"}, "image 127.0.0.1:9/none is missing and cannot be pulled: "),
        ({"image": "127.0.0.1:9/none", "pull": "always"}, "image 127.0.0.1:9/none cannot be pulled: "),
        ({"image": "JOB_B"}, "image JOB_B is missing: no image can have this name"),
        ({"image": "../containers/json"}, "image ../containers/json is missing: no image can have this name"),
        ({"command": ["nothing-like-it"]}, "the container cannot be started: "),
        ({"command": ["/etc"]}, "the container cannot be started: "),
        ({"workdir": "relative"}, "workdir: "),
        ({"network": "host"}, "network: expected none or bridge, got 'host'"),
        ({"cpus": 10_000.0}, "the container cannot be created: "),
        ({"user": "nobody-like-it"}, "the container cannot be started: "),
    ],
)
async def test_a_container_that_cannot_run_says_why(
    engine: Engine, job: str, spec: dict[str, Any], reason: str
) -> None:
    outcome = await Try(engine, "true", job=job, **spec).run()

    assert outcome.exit_code is None
    assert outcome.error.startswith(reason)
    assert not outcome.canceled


async def test_a_command_that_is_not_there_is_named(engine: Engine, job: str) -> None:
    outcome = await Try(engine, job=job, command=["nothing-like-it"]).run()

    assert "nothing-like-it" in outcome.error
    assert "executable file not found" in outcome.error


async def test_only_images_that_a_pattern_admits_run(job: str) -> None:
    async with an_engine(images=["alpine:*", "registry.example/*"]) as engine:
        outcome = await Try(engine, "true", job=job).run()

    assert outcome.exit_code is None
    assert outcome.error == "image busybox:latest is not allowed here (allowed: alpine:*, registry.example/*)"
    assert containers_of(job) == []


# --- images from a registry ---


@pytest.fixture
def registry() -> Iterator[Registry]:
    with a_registry() as registry:
        yield registry
        for image in (f"{registry.host}/it", f"{registry.host}/it@{registry.digest}"):
            with contextlib.suppress(subprocess.CalledProcessError):
                docker("rmi", "-f", image)


async def test_a_missing_image_is_pulled_once(engine: Engine, job: str, registry: Registry) -> None:
    hello: dict[str, Any] = {"image": f"{registry.host}/it", "command": ["/bin/busybox", "echo", "hello"]}
    one, two = (Try(engine, job=job, run=run, **hello) for run in ("1", "2"))

    outcome = await one.run()
    so_far = len(registry.asked)
    again = await two.run()

    assert (outcome.error, one.text) == ("", "hello\n")
    assert outcome.image_digest == again.image_digest == registry.digest
    assert len(registry.asked) == so_far


async def test_an_image_is_pulled_again_where_the_job_says_so(engine: Engine, job: str, registry: Registry) -> None:
    hello: dict[str, Any] = {"image": f"{registry.host}/it", "command": ["/bin/busybox", "true"], "pull": "always"}
    await Try(engine, job=job, **hello).run()
    so_far = len(registry.asked)

    outcome = await Try(engine, job=job, run="2", **hello).run()

    assert outcome.exit_code == 0
    assert len(registry.asked) > so_far


async def test_an_image_is_pulled_with_the_credentials_of_the_docker_configuration(
    engine: Engine, job: str, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.login = "somebody:s3cret"
    known = {"auths": {registry.host: {"auth": b64encode(registry.login.encode()).decode()}}}
    (tmp_path / "config.json").write_bytes(msgspec.json.encode(known))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))

    outcome = await Try(engine, job=job, image=f"{registry.host}/it", command=["/bin/busybox", "true"]).run()

    assert (outcome.exit_code, outcome.error) == (0, "")


async def test_an_image_that_we_may_not_pull_is_told(engine: Engine, job: str, registry: Registry) -> None:
    registry.login = "somebody:s3cret"

    outcome = await Try(engine, "true", job=job, image=f"{registry.host}/it").run()

    assert outcome.exit_code is None
    assert outcome.error.startswith(f"image {registry.host}/it is missing and cannot be pulled: ")
    assert "no basic auth credentials" in outcome.error


async def test_a_stop_ends_a_pull(engine: Engine, job: str, registry: Registry) -> None:
    registry.open.clear()
    one = Try(engine, "true", job=job, image=f"{registry.host}/it")
    running = one.begin()

    async def begun() -> bool:
        return any(registry.layer in path for path in registry.asked)

    await until(begun, "the layer is asked for")
    one.stop.set()
    outcome = await running

    assert (outcome.exit_code, outcome.canceled, outcome.error) == (None, True, "canceled before it started")


# --- what containers may do ---


async def test_limits_are_in_force_and_told(engine: Engine, job: str) -> None:
    one = Try(
        engine,
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null",
        job=job,
        memory=64 * MIB,
        cpus=0.5,
    )

    outcome = await one.run()

    assert outcome.limits == {"memory": 64 * MIB, "cpus": 0.5, "pids": 256}
    assert one.text == f"{64 * MIB}\n"


async def test_what_has_no_limits_of_its_own_gets_the_default_ones(engine: Engine, job: str) -> None:
    outcome = await Try(engine, "true", job=job).run()

    assert outcome.limits == {"memory": 256 * MIB, "cpus": 1.0, "pids": 256}


async def test_containers_have_no_privileges_and_no_network(engine: Engine, job: str) -> None:
    one = Try(engine, "grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status; ls /sys/class/net", job=job)

    await one.run()

    none = "0" * 16
    assert one.text.split() == ["CapEff:", none, "CapBnd:", none, "NoNewPrivs:", "1", "lo"]


async def test_a_job_says_its_environment_directory_user_and_network(engine: Engine, job: str) -> None:
    one = Try(
        engine,
        "echo $WORD; pwd; id -un; ls /sys/class/net",
        job=job,
        env={"WORD": "a b=c"},
        workdir="/tmp/new",
        user="nobody",
        network="bridge",
    )

    await one.run()

    assert one.text.splitlines() == ["a b=c", "/tmp/new", "nobody", "eth0", "lo"]


# --- other runners ---


async def test_a_running_container_is_adopted_and_its_log_is_whole(engine: Engine, job: str) -> None:
    one = Try(engine, "seq 1 100; while [ ! -e /tmp/go ]; do sleep 0.05; done; seq 101 200; exit 4", job=job)
    first = one.begin()
    await one.says("100\n")
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    async with an_engine() as other:
        one.engine = other

        second = one.begin(since=one.stamps[-1])
        docker("exec", *containers_of(job), "touch", "/tmp/go")
        outcome = await second

    assert outcome.exit_code == 4
    assert one.text == "".join(f"{n}\n" for n in range(1, 201))
    assert len(containers_of(job)) == 1


async def test_a_container_that_ended_meanwhile_is_adopted(engine: Engine, job: str) -> None:
    one = Try(engine, "echo begun; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo ended; exit 4", job=job)
    first = one.begin()
    await one.says("begun")
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    [container] = containers_of(job)
    docker("exec", container, "touch", "/tmp/go")
    assert docker("wait", container) == "4\n"

    outcome = await one.run(since=one.stamps[-1])

    assert (outcome.exit_code, outcome.timed_out, one.text) == (4, False, "begun\nended\n")
    assert containers_of(job) == [container]


async def test_a_timeout_counts_from_the_start_also_after_adoption(engine: Engine, job: str) -> None:
    one = Try(engine, "trap 'exit 5' TERM; echo begun; while :; do sleep 0.05; done", job=job)
    first = one.begin()
    await one.says("begun")
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)

    outcome = await one.run(timeout=0.001)

    assert (outcome.exit_code, outcome.timed_out) == (5, True)


async def test_a_container_that_was_created_but_not_started_is_started(engine: Engine, job: str) -> None:
    labels = {"duestream.job": job, "duestream.run": "1", "duestream.attempt": "1"}
    options = [option for name, value in labels.items() for option in ("--label", f"{name}={value}")]
    container = docker("create", *options, images.BUSYBOX, "echo", "hello").strip()
    one = Try(engine, "exit 9", job=job)

    outcome = await one.run()

    assert (outcome.exit_code, one.text) == (0, "hello\n")
    assert [container.startswith(id) for id in containers_of(job)] == [True]


async def test_a_new_run_removes_the_container_of_the_one_before(engine: Engine, job: str) -> None:
    old = Try(engine, "echo begun; sleep 1000", job=job)
    first = old.begin()
    await old.says("begun")
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    before = containers_of(job)

    outcome = await Try(engine, "true", job=job, run="2").run()

    assert outcome.exit_code == 0
    assert len(containers_of(job)) == 1
    assert containers_of(job) != before


async def test_two_runners_at_once_make_one_container(engine: Engine, job: str) -> None:
    async with an_engine() as other:
        one, two = (Try(each, "echo once; exit 3", job=job) for each in (engine, other))

        outcomes = await asyncio.gather(one.run(), two.run())

    assert [outcome.exit_code for outcome in outcomes] == [3, 3]
    assert one.lines == two.lines == [("stdout", "once\n")]
    assert len(containers_of(job)) == 1


async def test_leftovers_are_listed_until_they_are_removed(engine: Engine, job: str) -> None:
    await Try(engine, "true", job=job, run="a/b").run()
    assert (job, "a/b") in await engine.leftovers()

    await engine.remove(job)
    await engine.remove(job)

    assert (job, "a/b") not in await engine.leftovers()


async def test_a_running_container_is_removed_too(engine: Engine, job: str) -> None:
    one = Try(engine, "echo begun; sleep 1000", job=job)
    running = one.begin()
    await one.says("begun")

    await engine.remove(job)
    outcome = await running

    assert containers_of(job) == []
    assert outcome.exit_code in (None, 137)
    assert outcome.error


async def test_many_run_side_by_side(job: str) -> None:
    async with an_engine(threads=20) as engine:
        tries = [
            Try(engine, f"echo {n}; while [ ! -e /tmp/go ]; do sleep 0.2; done", job=f"{job}{n}") for n in range(20)
        ]
        running = [one.begin() for one in tries]
        try:
            for n, one in enumerate(tries):
                await one.says(f"{n}\n")
            assert not any(task.done() for task in running)

            for one in tries:
                docker("exec", *containers_of(one.job), "touch", "/tmp/go")
            outcomes = await asyncio.gather(*running)
        finally:
            await asyncio.gather(*(engine.remove(one.job) for one in tries))

    assert [outcome.exit_code for outcome in outcomes] == [0] * 20
    assert [one.text for one in tries] == [f"{n}\n" for n in range(20)]


# --- engines that go away ---


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


async def test_a_container_that_was_stopped_by_a_runner_that_died_is_canceled(engine: Engine, job: str) -> None:
    one = Try(engine, "trap 'exit 5' TERM; echo begun; while :; do sleep 0.05; done", job=job)
    first = one.begin()
    await one.says("begun")
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    docker("stop", *containers_of(job))

    one.stop.set()
    outcome = await one.run(since=one.stamps[-1])

    assert (outcome.exit_code, outcome.canceled, one.text) == (5, True, "begun\n")


async def test_letting_go_of_a_container_leaves_no_thread_behind(engine: Engine, job: str) -> None:
    one = Try(engine, "echo begun; sleep 1000", job=job)
    running = one.begin()
    await one.says("begun")

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    async with asyncio.timeout(5):  # all four threads are free: less than a silent log would hold one
        await asyncio.gather(*(Try(engine, "true", job=f"{job}{n}").run() for n in range(4)))

    await asyncio.gather(*(engine.remove(f"{job}{n}") for n in range(4)))
    assert docker("ps", "-q", "--filter", f"label=duestream.job={job}")
