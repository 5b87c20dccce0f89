"""Keeps other sites' pages out where there are no API keys: a browser on this machine reaches whatever listens here.

A page of another site is known by its `Origin`. One that has its own name point to this machine (DNS rebinding) is
known by its `Host`: a name, where people who mean this service say localhost or an address.
"""

import ipaddress
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import Problem
from duestream.settings import Settings


class Origins:
    """Refuses what a page of another site sends. With API keys there is no need: no other page knows one."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._any_host = settings.insecure_no_auth
        self._names = {"localhost", settings.host.lower()}
        self._last: bytes | None = None  # a Host that was let in: mostly the next one is the same

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = scope["duestream.headers"]
            host, origin = headers.get(b"host"), headers.get(b"origin")
            if origin is None and host == self._last:
                await self._app(scope, receive, send)
                return
            refusal = self._refusal(_text(host), _text(origin))
            if refusal is not None:
                await refusal.response()(scope, receive, send)
                return
            self._last = host
        await self._app(scope, receive, send)

    def _refusal(self, host: str | None, origin: str | None) -> Problem | None:
        if host is not None and not self._any_host and not self._is_ours(host):
            detail = f"Host: expected localhost or an address, got {host!r}; other names need API keys"
            return Problem(403, "wrong-host", detail)
        if origin is not None and urlsplit(origin).netloc != host:
            return Problem(403, "wrong-origin", f"Origin: a page of {origin!r} needs an API key")
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
            if name not in self._names:
                ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1").lower()
