"""The service beside a test that has no event loop of its own, or whose client must not share it."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

from tests.running import running
from tests.stores import Store


@contextlib.contextmanager
def served(store: Store, **changes: Any) -> Iterator[str]:
    """All processes on a store, in a thread of their own; gives the URL of the API."""
    started: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        stop = asyncio.Event()
        async with running(store, **changes) as service:
            started.set_result((str(service.http.base_url), asyncio.get_running_loop(), stop))
            await stop.wait()

    def body() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=body, name="served")
    thread.start()
    try:
        url, loop, stop = started.result()
        try:
            yield url
        finally:
            loop.call_soon_threadsafe(stop.set)
    finally:
        thread.join()
