"""The answer of every fast path: JSON that is encoded already."""

from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class Encoded(Response):
    """What `Response` is, made in a fraction of the time. Header names must be in lower case."""

    def __init__(self, body: bytes, status: int, headers: Mapping[str, str]) -> None:
        self.status_code = status
        self.background = None
        self.body = body
        self.raw_headers = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        self.raw_headers.append((b"content-length", b"%d" % len(body)))
        self.raw_headers.append((b"content-type", b"application/json"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body})
