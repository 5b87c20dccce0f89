"""Containers that another runner began: adopted, removed, never doubled."""

import asyncio

import pytest

from runner.engine import Engine
from tests import images
from tests.integration.engines import Try, an_engine, containers_of, docker

pytestmark = pytest.mark.usefixtures("busybox")


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
