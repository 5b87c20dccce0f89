"""Containers on a real engine: how they end, why they do not begin, what they may do."""

import asyncio
from typing import Any

import pytest

from runner.engine import Engine
from tests import images
from tests.integration.engines import MIB, Try, an_engine, containers_of, docker
from tests.running import until

pytestmark = pytest.mark.usefixtures("busybox")


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
