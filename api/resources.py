"""Paths, and what can be done there: one table from which both the routes and the OpenAPI document are made."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from api.bodies import Body
from api.problems import Problem
from api.query import Query

Handler = Callable[[Request], Awaitable[Response]]


class Parameter(msgspec.Struct, frozen=True):
    """A query parameter or header; `schema` as in JSON Schema."""

    name: str
    schema: Mapping[str, Any]
    text: str = ""
    where: str = "query"


class Answer(msgspec.Struct, frozen=True):
    """A documented answer: one of some types sent as JSON, or another media type, or nothing.

    shown: types that the text speaks of.
    """

    text: str
    types: Sequence[Any] = ()
    media_type: str = ""
    shown: Sequence[Any] = ()
    headers: Mapping[str, str] = {}


class Operation(msgspec.Struct, frozen=True):
    """What one method does at a path.

    problems: the error statuses beside those that every operation may answer; with 422 among them, query parameters
    that are not in `parameters` are refused.
    """

    handler: Handler
    tag: str
    answers: Mapping[int, Answer]
    problems: Sequence[int] = ()
    body: Body[Any] | None = None
    parameters: Sequence[Parameter] = ()


class Resource(msgspec.Struct, frozen=True):
    """A path and its methods. variables: what stands in braces in the path, by name, as in JSON Schema."""

    path: str
    methods: Mapping[str, Operation]
    variables: Mapping[str, Mapping[str, Any]] = {}

    def route(self) -> Route:
        return Route(self.path, _Dispatch(self))


class _Dispatch:
    """The ASGI application at a path: picks the method's handler, and knows the route's name for the metrics."""

    def __init__(self, resource: Resource) -> None:
        self._path = resource.path
        self._handlers = {name: operation.handler for name, operation in resource.methods.items()}
        self._parameters = {
            name: [each.name for each in operation.parameters if each.where == "query"]
            for name, operation in resource.methods.items()
            if 422 in operation.problems
        }
        if "GET" in self._handlers:
            self._handlers["HEAD"] = self._handlers["GET"]
        self._allow = ", ".join(sorted({*self._handlers, "OPTIONS"}))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["duestream.route"] = self._path
        handler = self._handlers.get(scope["method"])
        if handler is not None:
            request = Request(scope, receive, send)
            if scope["query_string"] and scope["method"] in self._parameters:
                Query(request).refuse_unknown(self._parameters[scope["method"]])
            response = await handler(request)
        elif scope["method"] == "OPTIONS":
            response = Response(status_code=204, headers={"allow": self._allow})
        else:
            detail = f"{scope['method']} is not possible here; {self._allow} are"
            raise Problem(405, "method-not-allowed", detail, headers={"allow": self._allow})
        await response(scope, receive, send)
