"""Who may ask: API keys as bearer tokens. Also gives each request its id, and counts it."""

import itertools
import os
import re
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics import Metrics
from api.page import is_visit
from api.problems import Problem
from duestream.settings import Keyring

OPEN = frozenset({"/v1/health", "/livez", "/readyz", "/openapi.json", "/docs"})  # say nothing of anybody's data
OPEN_BELOW = ("/docs/", "/page/")
ANONYMOUS = "anonymous"
_BOARD = re.compile(r"/v1/queues/[^/]+")
_VISITORS = re.compile(r"/v1/queues/[^/]+/(events|tokens(/.*)?)|/get-token|/post-token|/update|/start-delay")
_REQUEST_ID = re.compile(rb"^[A-Za-z0-9._-]{1,64}$")


class Access:
    """Lets a request in where there are no keys, or where it has one; its owner is the `by` of what it causes."""

    def __init__(self, app: ASGIApp, keyring: Keyring, *, public_queues: bool = False) -> None:
        self._app = app
        self._keyring = keyring
        self._public_queues = public_queues

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["duestream.by"] = ANONYMOUS
            if self._keyring:
                owner = self._owner(scope)
                if owner is None and not (is_open(scope["path"]) or is_visit(scope) or self._is_visitors(scope)):
                    problem = Problem(
                        401, "unauthorized", "expected Authorization: Bearer with an API key of this service",
                        headers={"www-authenticate": 'Bearer realm="duestream"'},
                    )  # fmt: skip
                    await problem.response()(scope, receive, send)
                    return
                scope["duestream.by"] = owner or ANONYMOUS
        await self._app(scope, receive, send)

    def _is_visitors(self, scope: Scope) -> bool:
        """Whether a request is one of those that queues' visitors need, where they need no key for it."""
        if not self._public_queues:
            return False
        board = scope["method"] in ("GET", "HEAD") and _BOARD.fullmatch(scope["path"]) is not None
        return board or _VISITORS.fullmatch(scope["path"]) is not None

    def _owner(self, scope: Scope) -> str | None:
        value = scope["duestream.headers"].get(b"authorization", b"")
        scheme, _, key = value.decode(errors="replace").partition(" ")
        return self._keyring.owner(key.strip()) if scheme.lower() == "bearer" else None


def is_open(path: str) -> bool:
    """Whether a path is answered to all."""
    return path in OPEN or path.startswith(OPEN_BELOW)


class Requests:
    """Gives each request an id, its own or a new one, says it in the answer, and counts the request when it ends.

    Its headers are looked up more than once: `duestream.headers` of the scope has them by name, in lower case.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._prefix = os.urandom(4).hex()
        self._count = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = scope["duestream.headers"] = dict(scope["headers"])
        id = headers.get(b"x-request-id", b"")
        if not _REQUEST_ID.match(id):
            id = f"{self._prefix}-{next(self._count):x}".encode()
        scope["duestream.request"] = id.decode()
        status = 500

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", id)]
            await send(message)

        try:
            await self._app(scope, receive, tell)
        finally:
            route = scope.get("duestream.route", "other")
            self._metrics.request(scope["method"], route, status, time.perf_counter() - started)
