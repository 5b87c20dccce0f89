"""Run handlers: coroutines as they are, plain functions in threads."""

import asyncio
import logging
import random
from datetime import timedelta
from typing import Any

import msgspec

from duestream import instants
from duestream.clock import now_ms
from duestream.events import Event
from duestream.handlers import Failure, Handler, find, writable
from duestream.jobs import Ended, JobFailed, JobReleased, JobRetrying, JobSucceeded
from runner.ends import Ends
from runner.slots import Held, Slots
from runner.threads import Threads

log = logging.getLogger("duestream.runner")

LARGEST_RESULT = 256 * 1024  # bytes of JSON
LONGEST_ERROR = 4000  # characters
LONGEST_BACKOFF = 3600.0  # seconds

_encode = msgspec.json.Encoder().encode


class Handling:
    """The worker for payload jobs."""

    def __init__(self, ends: Ends, slots: Slots, *, threads: int, keep: int) -> None:
        self._ends = ends
        self._slots = slots
        self._keep = keep
        self._threads = Threads(threads)
        self._loop = asyncio.get_running_loop()

    async def able(self) -> bool:
        return True

    def begin(self, held: Held) -> None:
        held.task = self._loop.create_task(self._run(held))

    async def _run(self, held: Held) -> None:
        try:
            event = await self._outcome(held)
        except asyncio.CancelledError:
            asked = asyncio.current_task()
            if held.ended or (asked is not None and asked.cancelling()):
                raise  # canceled, or another's: there is nothing to say
            event = failed(held, "CancelledError", self._keep)  # the handler's own
        if not held.ended:
            self._ends.put(held, self._slots, event)

    async def _outcome(self, held: Held) -> Event:
        work = held.work
        try:
            handler = find(work.handler)
            arguments = handler.arguments(work.payload, held.context)
            if work.timeout:
                async with asyncio.timeout(work.timeout) as limit:
                    result = await self._call(handler, arguments)
            else:
                result = await self._call(handler, arguments)
        except Failure as error:
            return self._failed(held, str(error))
        except TimeoutError as error:
            if work.timeout and limit.expired():
                held.context.cancel()
                return failed(held, f"timed out after {work.timeout:g} s", self._keep)
            return failed(held, _told(error), self._keep)
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            log.debug("a handler failed", extra={"id": held.id}, exc_info=True)
            return failed(held, _told(error), self._keep)
        return self._succeeded(held, result)

    async def _call(self, handler: Handler, arguments: tuple[Any, ...]) -> Any:
        if handler.is_async:
            return await handler.function(*arguments)
        return await self._threads.call(handler.function, *arguments)

    def _succeeded(self, held: Held, result: Any) -> Event:
        try:
            encoded = _encode(result)
        except (TypeError, ValueError, RecursionError) as error:
            return self._failed(held, f"the result is not JSON: {error}")
        if len(encoded) > LARGEST_RESULT:
            return self._failed(held, f"the result has {len(encoded):,} bytes; {LARGEST_RESULT:,} is the most")
        return JobSucceeded(
            attempt=held.attempt, result=msgspec.Raw(encoded), keep=self._keep, webhook=held.work.webhook
        )

    def _failed(self, held: Held, error: str) -> Event:
        """What no further attempt would mend."""
        error = writable(error[:LONGEST_ERROR])
        return JobFailed(attempt=held.attempt, error=error, keep=self._keep, webhook=held.work.webhook)

    def release(self) -> None:
        """Stop what is still running, and hand it back."""
        for held in list(self._slots.held.values()):
            if not held.ended and held.task is not None:
                held.task.cancel()
                held.context.cancel()
                event = JobReleased(attempt=held.attempt, failures=held.work.failures)
                self._ends.put(held, self._slots, event, held.ready.work.encode())

    def close(self) -> None:
        self._threads.close()


def failed(held: Held, error: str, keep: int, about: Ended | None = None) -> Event:
    """The end of an attempt that failed: for good, or until the next one."""
    work = held.work
    known = {} if about is None else msgspec.structs.asdict(about)
    known.update(attempt=held.attempt, error=writable(error[:LONGEST_ERROR]))
    if work.failures >= work.retries:
        return JobFailed(**known, keep=keep, webhook=work.webhook)
    pause = min(LONGEST_BACKOFF, work.backoff * 2.0 ** min(work.failures, 64)) * random.uniform(0.75, 1.25)
    run_at = instants.exact(instants.EPOCH + timedelta(milliseconds=now_ms() + pause * 1000))
    return JobRetrying(**known, run_at=run_at, failures=work.failures + 1)


def _told(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
