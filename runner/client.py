"""The Docker SDK at arm's length: every call has a time limit, and an engine that is away is one error.

The SDK blocks, and its clients are not made to be shared between threads; so a `Pool` has threads that each have a
client of their own. Where the engine is, and who we are to registries, comes from the environment and the Docker
configuration, as with `docker.from_env`; neither gets into anything that is said about an error.
"""

import asyncio
import contextlib
import select
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import docker
import requests
from docker import auth
from docker.errors import APIError, DockerException
from docker.transport import UnixHTTPAdapter
from docker.types import CancellableStream
from docker.utils import kwargs_from_env, parse_repository_tag
from requests.adapters import BaseAdapter

from duestream.errors import DuestreamError
from runner.connections import UnixSocket

CONNECT = 5.0  # seconds
CALL = 60  # what may take its time on a busy engine: to create, start or remove a container
PULL = 300  # between two signs of life
LOG = 10  # of silence, after which a container's log is asked for again
CLOSING = 5.0
READ_AT_ONCE = 64 * 1024  # bytes

P = ParamSpec("P")
T = TypeVar("T")


class EngineAway(DuestreamError):
    """The engine cannot be reached, or makes no sense. Nothing is known about the container: try later."""


class Client(docker.APIClient):
    """A connection to the engine that the environment names. Raises DockerException if it does not answer."""

    if TYPE_CHECKING:  # what the SDK's own calls are made of, and its stubs leave out

        def _url(self, path: str, *parts: str) -> str: ...
        def _get(self, url: str, **options: Any) -> requests.Response: ...
        def _post(self, url: str, **options: Any) -> requests.Response: ...
        def _raise_for_status(self, response: requests.Response) -> None: ...
        def _get_raw_response_socket(self, response: requests.Response) -> socket.socket: ...

    def __init__(self) -> None:
        super().__init__(**kwargs_from_env(), timeout=CALL)

    def mount(self, prefix: str | bytes, adapter: BaseAdapter) -> None:
        if isinstance(adapter, UnixHTTPAdapter):
            adapter = UnixSocket(adapter.socket_path, CALL)
        super().mount(prefix, adapter)

    def _set_request_timeout(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        # The SDK lets some calls (pull) wait for ever.
        kwargs["timeout"] = (CONNECT, kwargs.get("timeout") or self.timeout)
        return kwargs

    @contextlib.contextmanager
    def within(self, seconds: int) -> Iterator[None]:
        """Calls in the block may take so long and no longer."""
        usual, self.timeout = self.timeout, seconds
        try:
            yield
        finally:
            self.timeout = usual

    def log(self, container: str, *, since: str, follow: bool) -> requests.Response:
        """A container's output with timestamps, in frames. The SDK's `logs` tells no streams apart and drops limits."""
        asked = {"stdout": 1, "stderr": 1, "timestamps": 1, "follow": int(follow), "since": since}
        return self._begun(
            self._get(self._url("/containers/{0}/logs", container), params=asked, stream=True, timeout=LOG)
        )

    def pulling(self, image: str) -> requests.Response:
        """What the engine tells, in lines of JSON, while it fetches an image. The SDK's `pull` cannot be given up."""
        repository, tag = parse_repository_tag(image)
        registry, _ = auth.resolve_repository_name(repository)
        header = auth.get_config_header(self, registry)
        headers = {"X-Registry-Auth": header} if header else {}
        asked = {"fromImage": repository, "tag": tag or "latest"}
        url = self._url("/images/create")
        return self._begun(self._post(url, params=asked, headers=headers, stream=True, timeout=PULL))

    def _begun(self, response: requests.Response) -> requests.Response:
        try:
            self._raise_for_status(response)
        except APIError:
            response.close()
            raise
        return response


class Stream:
    """A response that is read bit by bit, and can be given up at any time from another thread."""

    def __init__(self, ask: Callable[[Client], requests.Response]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._response: requests.Response | None = None
        self._chunks: Iterator[bytes] = iter(())
        self._reading = False
        self._closed = False

    def read(self, client: Client) -> bytes:
        """Wait for some bytes, and return them with all that are there already; b"" at the end."""
        with self._lock:
            self._reading = True
        try:
            if self._response is None and not self._closed:
                response = self._ask(client)
                with self._lock:
                    self._response, self._chunks = response, response.iter_content(None)
            return self._read(client) if not self._closed else b""
        finally:
            with self._lock:
                self._reading = False
                if self._closed and self._response is not None:
                    self._response.close()

    def _read(self, client: Client) -> bytes:
        assert self._response is not None
        data = bytearray(next(self._chunks, b""))
        with contextlib.suppress(AttributeError, OSError, ValueError):  # there is no socket any more, or no plain one
            while data and len(data) < READ_AT_ONCE:
                source = client._get_raw_response_socket(self._response)
                if not select.select([source], [], [], 0)[0]:
                    break
                more = next(self._chunks, b"")
                if not more:
                    break
                data += more
        return bytes(data)

    def close(self) -> None:
        """Give it up: a thread that waits for it is woken."""
        with self._lock:
            self._closed = True
            if self._response is None:
                return
            if not self._reading:
                self._response.close()
                return
            with contextlib.suppress(
                AttributeError, OSError, DockerException
            ):  # it has just ended; or SSH: it times out
                CancellableStream(self._chunks, self._response).close()


class Pool:
    """Some threads, each with a client of its own."""

    def __init__(self, threads: int, name: str) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._local = threading.local()
        self._lock = threading.Lock()
        self._clients: list[Client] = []
        self._closed = False

    async def call(self, act: Callable[Concatenate[Client, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Have a thread do something with its client. Raises EngineAway.

        If the caller is canceled, the thread ends by itself what it has begun.
        """

        def work() -> T:
            with reaching():
                return act(self._client(), *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def _client(self) -> Client:
        client: Client | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = Client()
            with self._lock:
                self._clients.append(client)
                closed = self._closed
            if closed:
                client.close()
        return client

    async def close(self) -> None:
        """Let the threads end what they do, for a while, and close their connections."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(self._executor.shutdown), CLOSING)
        with self._lock:
            self._closed = True
            clients, self._clients = self._clients, []
        for client in clients:
            client.close()


@contextlib.contextmanager
def reaching() -> Iterator[None]:
    """Turn all that the SDK raises into EngineAway, without the engine's address."""
    try:
        yield
    except APIError as error:
        raise EngineAway(f"the engine answered with status {error.status_code}") from None
    except (requests.RequestException, DockerException, OSError) as error:
        raise EngineAway(f"the engine does not answer ({type(error).__name__})") from None


def words(error: APIError) -> str:
    """What the engine says is wrong, in one line of bounded length."""
    text = str(error.explanation or f"status {error.status_code}")
    return " ".join(text.split())[:400]
