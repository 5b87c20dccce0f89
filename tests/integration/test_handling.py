"""Handlers at work: what a runner makes of what they return, raise, say and do."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from duestream.clock import now_ms
from duestream.handlers import Context, Failure, handler
from duestream.job_models import Job
from duestream.jobs import JobCanceled, JobSpec
from tests.core import JobCore
from tests.running import running, until
from tests.stores import Store

LET_GO = threading.Event()
SEEN: dict[str, Any] = {}


class Sum(msgspec.Struct):
    terms: list[int]


@handler("test.sum")
async def add(payload: Sum) -> dict[str, int]:
    return {"sum": sum(payload.terms)}


@handler("test.thread")
def in_a_thread(payload: Any) -> str:
    return threading.current_thread().name


@handler("test.flaky")
async def flaky(payload: int, context: Context) -> int:
    if context.attempt <= payload:
        raise ConnectionError(f"attempt {context.attempt}")
    return context.attempt


@handler("test.hopeless")
async def hopeless(payload: Any) -> None:
    raise Failure("no use")


@handler("test.raise")
async def raising(payload: str) -> None:
    errors: dict[str, BaseException] = {
        "text": ValueError("\udc80 is no text" + 10_000 * "!"),
        "exit": SystemExit("bye"),
        "canceled": asyncio.CancelledError(),
        "timeout": TimeoutError("its own"),
        "silent": ZeroDivisionError(),
    }
    raise errors[payload]


@handler("test.raise in thread")
def raising_in_a_thread(payload: str) -> None:
    errors: dict[str, BaseException] = {"stop": StopIteration("over"), "exit": SystemExit(3)}
    raise errors[payload]


@handler("test.return")
async def returning(payload: str) -> Any:
    return {"object": object(), "large": 300_000 * "x", "surrogate": "\udc80"}[payload]


@handler("test.wait")
async def waiting(payload: str, context: Context) -> None:
    SEEN[payload] = context
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        SEEN[f"{payload} canceled"] = True
        raise


@handler("test.wait in thread")
def waiting_in_a_thread(payload: str, context: Context) -> str:
    SEEN[payload] = context
    LET_GO.wait(30)
    return "late"


@handler("test.progress")
async def progressing(payload: Any, context: Context) -> None:
    context.progress(0.25, "a quarter")
    while "go on" not in SEEN:
        await asyncio.sleep(0.01)


@handler("test.count")
async def counting(payload: Any) -> int:
    SEEN["now"] = SEEN.get("now", 0) + 1
    SEEN["most"] = max(SEEN.get("most", 0), SEEN["now"])
    await asyncio.sleep(0.02)
    SEEN["now"] -= 1
    return 1


class Work(JobCore):
    """Jobs on a store where a runner, a projector and a scheduler are at work."""

    async def begin(self, name: str, payload: Any = None, **options: Any) -> str:
        return await self.submit(JobSpec(name, msgspec.Raw(msgspec.json.encode(payload)), **options))

    async def read(self, id: str) -> Job:
        job = await self.jobs.get(id)
        assert job is not None
        return job

    async def comes_to(self, id: str, status: str) -> Job:
        async def there() -> bool:
            return (await self.headed(id))[1] == status

        await until(there, f"the job is {status}")
        return await self.read(id)

    async def outcome(self, name: str, payload: Any = None, **options: Any) -> Job:
        """A job once it is over."""
        id = await self.begin(name, payload, **options)

        async def ended() -> bool:
            return (await self.read(id)).over

        await until(ended, "the job is over")
        return await self.read(id)


@contextlib.asynccontextmanager
async def working_on(store: Store, **settings: Any) -> AsyncIterator[Work]:
    async with running(store, "projector", "scheduler", "runner", containers=0, **settings) as service:
        yield Work(service.server, store.shards)


@pytest.fixture
async def work(valkey: Store) -> AsyncIterator[Work]:
    SEEN.clear()
    LET_GO.clear()
    async with working_on(valkey) as work:
        yield work
        LET_GO.set()


async def test_what_a_handler_returns_is_the_result(store: Store) -> None:
    async with working_on(store) as work:
        job = await work.outcome("test.sum", {"terms": [1, 2, 3]})
        in_a_thread = await work.outcome("test.thread")

    assert (job.status, job.result, job.state.error) == ("succeeded", msgspec.Raw(b'{"sum":6}'), "")
    assert in_a_thread.result is not None
    assert in_a_thread.result == msgspec.Raw(b'"handler-0"')


async def test_a_payload_that_does_not_fit_fails_at_once_by_its_field(work: Work) -> None:
    job = await work.outcome("test.sum", {"terms": "many"}, retries=3)

    assert (job.status, len(job.attempts)) == ("failed", 1)
    assert job.state.error == "payload: expected `array`, got `str` - at `payload.terms`"


async def test_an_unknown_handler_fails_with_the_names_that_exist(work: Work) -> None:
    job = await work.outcome("test.sun", retries=3)

    assert (job.status, len(job.attempts)) == ("failed", 1)
    assert "this runner has length, " in job.state.error
    assert "did you mean test.sum?" in job.state.error


async def test_failures_are_tried_again_later_until_one_succeeds(work: Work) -> None:
    job = await work.outcome("test.flaky", 2, retries=2, backoff=0.01)

    assert (job.status, job.result) == ("succeeded", msgspec.Raw(b"3"))
    assert [(each.outcome, each.error) for each in job.attempts] == [
        ("failed", "ConnectionError: attempt 1"),
        ("failed", "ConnectionError: attempt 2"),
        ("succeeded", ""),
    ]


async def test_the_last_failure_is_the_jobs(work: Work) -> None:
    job = await work.outcome("test.flaky", 9, retries=1, backoff=0.01)
    hopeless = await work.outcome("test.hopeless", retries=5)

    assert (job.status, job.state.error, len(job.attempts)) == ("failed", "ConnectionError: attempt 2", 2)
    assert (hopeless.status, hopeless.state.error, len(hopeless.attempts)) == ("failed", "no use", 1)


async def test_a_retry_waits_its_backoff_in_the_due_set(work: Work) -> None:
    id = await work.begin("test.flaky", 1, retries=1, backoff=1000)

    job = await work.comes_to(id, "retrying")

    ends_at = now_ms()
    due = await work.due(id)
    assert due is not None
    assert ends_at + 700_000 < due < ends_at + 1_300_000
    assert (job.state.failures, job.state.error) == (1, "ConnectionError: attempt 1")


@pytest.mark.parametrize(
    ("name", "payload", "error"),
    [
        ("test.raise", "exit", "SystemExit: bye"),
        ("test.raise", "canceled", "CancelledError"),
        ("test.raise", "timeout", "TimeoutError: its own"),
        ("test.raise", "silent", "ZeroDivisionError"),
        ("test.raise in thread", "exit", "SystemExit: 3"),
        ("test.raise in thread", "stop", "RuntimeError: StopIteration: over"),
        ("test.return", "object", "the result is not JSON: "),
        ("test.return", "surrogate", "the result is not JSON: "),
        ("test.return", "large", "the result has 300,002 bytes; 262,144 is the most"),
    ],
)
async def test_whatever_a_handler_does_its_job_ends(work: Work, name: str, payload: str, error: str) -> None:
    job = await work.outcome(name, payload, timeout=30)

    assert job.status == "failed"
    assert job.state.error.startswith(error)
    assert (await work.outcome("test.sum", {"terms": [1]})).status == "succeeded"


async def test_an_error_that_is_no_text_is_told_as_far_as_it_can_be_written(work: Work) -> None:
    job = await work.outcome("test.raise", "text")

    assert job.state.error.startswith("ValueError: ? is no text!")
    assert len(job.state.error) == 4000


async def test_a_handler_that_takes_too_long_is_cut_off(work: Work) -> None:
    job = await work.outcome("test.wait", "slow", timeout=0.05)

    assert (job.status, job.state.error) == ("failed", "timed out after 0.05 s")
    assert SEEN["slow canceled"]


async def test_a_thread_that_takes_too_long_is_told_and_its_result_is_not_taken(work: Work) -> None:
    job = await work.outcome("test.wait in thread", "slow", timeout=0.05)

    LET_GO.set()

    assert (job.status, job.state.error) == ("failed", "timed out after 0.05 s")
    assert SEEN["slow"].canceled
    assert (await work.outcome("test.thread")).status == "succeeded"
    assert (await work.read(job.id)).status == "failed"


@pytest.mark.parametrize("name", ["test.wait", "test.wait in thread"])
async def test_a_running_handler_is_canceled_at_once(work: Work, name: str) -> None:
    id = await work.begin(name, "long")

    async def begun() -> bool:
        return "long" in SEEN

    await until(begun, "the handler runs")
    await work.do(id, JobCanceled())

    async def told() -> bool:
        return bool(SEEN["long"].canceled)

    await until(told, "the handler is told")
    LET_GO.set()
    assert (await work.outcome("test.sum", {"terms": []})).status == "succeeded"
    job = await work.read(id)
    assert (job.status, [each.outcome for each in job.attempts]) == ("canceled", ["canceled"])
    assert name != "test.wait" or SEEN["long canceled"]


async def test_progress_can_be_read_while_the_handler_works(work: Work) -> None:
    id = await work.begin("test.progress")

    async def told() -> bool:
        return (await work.read(id)).state.progress is not None

    await until(told, "the progress is told")
    job = await work.read(id)
    SEEN["go on"] = True

    assert (job.status, job.state.progress, job.state.note) == ("running", 0.25, "a quarter")
    assert (await work.comes_to(id, "succeeded")).state.progress is None


async def test_no_more_handlers_run_at_once_than_a_runner_may(store: Store) -> None:
    SEEN.clear()
    async with working_on(store, concurrency=3) as work:
        ids = [await work.begin("test.count") for _ in range(40)]
        for id in ids:
            await work.comes_to(id, "succeeded")

    assert SEEN["most"] == 3


@pytest.mark.parametrize("name", ["test.wait", "test.wait in thread"])
async def test_a_runner_that_stops_hands_back_what_does_not_end_in_time(valkey: Store, name: str) -> None:
    SEEN.clear()
    LET_GO.clear()
    async with working_on(valkey, concurrency=0) as work:
        async with running(valkey, "runner", containers=0, drain="0s"):
            id = await work.begin(name, "long")

            async def begun() -> bool:
                return "long" in SEEN

            await until(begun, "the handler runs")

        job = await work.read(id)
        [(_, fields)] = await work.ready()
        LET_GO.set()

    assert (job.status, [each.outcome for each in job.attempts]) == ("queued", ["released"])
    assert SEEN["long"].canceled
    assert fields[:4] == ["id", id, "attempt", "2"]


async def test_a_runner_that_stops_lets_handlers_end(valkey: Store) -> None:
    async with working_on(valkey, drain="10s") as work:
        id = await work.begin("length", {"text": "hello", "seconds": 0.3})
        await work.comes_to(id, "running")

    async with working_on(valkey, concurrency=0) as work:
        assert (await work.read(id)).result == msgspec.Raw(b"5")


async def test_a_runner_takes_the_queues_that_it_serves_and_no_others(valkey: Store) -> None:
    async with working_on(valkey, queues="fast,other") as work:
        elsewhere = await work.begin("test.sum", {"terms": []})
        done = await work.outcome("test.sum", {"terms": []}, queue="other")
        again = await work.outcome("test.sum", {"terms": []}, queue="fast")

        assert (done.status, again.status) == ("succeeded", "succeeded")
        assert (await work.read(elsewhere)).status == "queued"
