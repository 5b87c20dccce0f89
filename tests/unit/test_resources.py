"""Which resource answers at a path, and what becomes of what its handler raises."""

from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from api.problems import Problem, on_http_exception, on_problem
from api.resources import Operation, Resource, Resources

ANSWERS: Any = {Problem: on_problem, HTTPException: on_http_exception}


async def echo(request: Request) -> Response:
    """The route, and what it found in the path."""
    return PlainTextResponse(f"{request.scope['duestream.route']} {dict(request.path_params)}")


async def refuse(request: Request) -> Response:
    raise Problem(409, "conflict", "no")


async def fail(request: Request) -> Response:
    raise LookupError("a mistake")


async def nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("behind", 404)(scope, receive, send)


def resource(path: str, handler: Any = echo) -> Resource:
    return Resource(path, {"GET": Operation(handler, "tag", {})})


APP = Resources(
    nowhere,
    [
        resource("/"),
        resource("/v1/things"),
        resource("/v1/things/{id}"),
        resource("/v1/things/{id}/parts/{part}/open"),
        resource("/v1/refused", refuse),
        resource("/v1/failing", fail),
    ],
    ANSWERS,
    lambda scope: scope["query_string"] == b"leave",
)


async def ask(path: str, method: str = "GET", query: bytes = b"") -> tuple[int, str, dict[str, str]]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("nobody reads the body")

    scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": []}
    await APP(scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], sent[1]["body"].decode(), headers


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/", "/ {}"),
        ("/v1/things", "/v1/things {}"),
        ("/v1/things/7", "/v1/things/{id} {'id': '7'}"),
        ("/v1/things/ü b", "/v1/things/{id} {'id': 'ü b'}"),
        ("/v1/things/7/parts/a/open", "/v1/things/{id}/parts/{part}/open {'id': '7', 'part': 'a'}"),
    ],
)
async def test_a_path_is_found_with_its_variables(path: str, told: str) -> None:
    assert (await ask(path))[:2] == (200, told)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/v1",
        "/v1/",
        "/v1/things/",
        "/v1/things//parts/a/open",
        "/v1/things/7/parts",
        "/v1/thing",
        "/v1/things/7/8",
        "*",
    ],
)
async def test_other_paths_are_for_the_application_behind(path: str) -> None:
    assert (await ask(path))[:2] == (404, "behind")


async def test_what_is_to_be_left_is_left() -> None:
    assert (await ask("/", query=b"leave"))[:2] == (404, "behind")


async def test_other_methods_are_refused_with_those_that_are_possible() -> None:
    status, _, headers = await ask("/v1/things", "POST")
    assert (status, headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    status, _, headers = await ask("/v1/things", "OPTIONS")
    assert (status, headers["allow"]) == (204, "GET, HEAD, OPTIONS")


async def test_what_a_handler_raises_is_told_if_it_is_expected() -> None:
    status, body, _ = await ask("/v1/refused")
    assert (status, "conflict" in body) == (409, True)
    with pytest.raises(LookupError):
        await ask("/v1/failing")


async def test_only_requests_are_looked_at() -> None:
    passed: list[Scope] = []

    async def behind(scope: Scope, receive: Receive, send: Send) -> None:
        passed.append(scope)

    await Resources(behind, [resource("/")], ANSWERS)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]

    assert passed == [{"type": "lifespan"}]
