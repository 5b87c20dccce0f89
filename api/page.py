"""GET / for a browser: the page, with what it is made of at /page/. Nothing of it comes from another host."""

import base64
import hashlib
import mimetypes
import re
from pathlib import Path

import msgspec
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from api.problems import not_found
from api.requests import unchanged

FILES = Path(__file__).parent / "static" / "page"
INDEX = "index.html"


def _inline() -> str:
    """The script that stands in the page itself, as a content security policy names it."""
    [script] = re.findall(rb"<script>(.*?)</script>", (FILES / INDEX).read_bytes(), re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"


POLICY = "; ".join(
    (
        "default-src 'none'",
        f"script-src 'self' {_inline()}",
        "style-src 'self'",
        "img-src 'self' blob:",  # blob: a visitor's picture
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",  # forms are sent by the scripts alone
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",  # kept, but asked about: all files of a page are of one version
}


class File(msgspec.Struct, frozen=True):
    """One file, as it is sent."""

    body: bytes
    media_type: str
    tag: str


def page() -> list[BaseRoute]:
    """The routes of the page. `/` is the page's for browsers only, and anybody else's for the rest."""
    files = {path.name: _read(path) for path in sorted(FILES.iterdir())}

    async def index(request: Request) -> Response:
        request.scope["duestream.route"] = "/"
        return _sent(request, files[INDEX], {"vary": "accept"})

    async def file(request: Request) -> Response:
        request.scope["duestream.route"] = "/page/{file}"
        found = files.get(request.path_params["file"])
        if found is None:
            raise not_found("there is nothing at this path")
        return _sent(request, found, {})

    return [_ForBrowsers("/", index), Route("/page/{file}", file)]


def is_visit(scope: Scope) -> bool:
    """Whether a browser asks for the page: `/` as HTML."""
    if scope["type"] != "http" or scope["path"] != "/":
        return False
    accepted = Headers(scope=scope).get("accept", "").split(",")
    return any(each.split(";")[0].strip().lower() == "text/html" for each in accepted)


class _ForBrowsers(Route):
    """Leaves to others what is no visit."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return super().matches(scope) if is_visit(scope) else (Match.NONE, {})


def _read(path: Path) -> File:
    body = path.read_bytes()
    guessed = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
    media_type = guessed.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return File(body, media_type, f'"{hashlib.sha256(body).hexdigest()[:16]}"')


def _sent(request: Request, file: File, more: dict[str, str]) -> Response:
    headers = {**HEADERS, "etag": file.tag, **more}
    if unchanged(request, file.tag):
        return Response(status_code=304, headers=headers)
    return Response(file.body, media_type=file.media_type, headers=headers)
