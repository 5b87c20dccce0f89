"""Paths, and what can be done there: one table from which both the routes and the OpenAPI document are made."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.bodies import Body
from api.problems import Problem
from api.query import Query

Handler = Callable[[Request], Awaitable[Response]]
Answering = Callable[[Request, Exception], Awaitable[Response]]


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


class Resources:
    """ASGI middleware that answers at the paths of a table; other paths are for the application behind it.

    Paths are looked up segment by segment, which costs a fraction of matching one pattern after the other. What a
    handler raises is told by the same `answers`, by type of exception, as what is raised behind it. leave: what is
    for the application behind it, though the table has its path.
    """

    def __init__(
        self,
        app: ASGIApp,
        resources: Sequence[Resource],
        answers: Mapping[type[Exception], Answering],
        leave: Callable[[Scope], bool] = lambda _: False,
    ) -> None:
        self._app = app
        self._leave = leave
        self._answers = answers
        self._expected = tuple(kind for kind in answers if kind is not Exception)
        self._root = _Place()
        for resource in resources:
            self._root.add(resource)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._root.find(scope) if scope["type"] == "http" and not self._leave(scope) else None
        if found is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive, send)
        try:
            response = await found.respond(request)
        except self._expected as error:
            response = await self._answer(request, error)
        await response(scope, receive, send)

    async def _answer(self, request: Request, error: Exception) -> Response:
        kind = next(kind for kind in type(error).__mro__ if kind in self._answers)
        return await self._answers[kind](request, error)


class _Place:
    """A segment of paths: what may follow it, and what is there."""

    def __init__(self) -> None:
        self._literal: dict[str, _Place] = {}
        self._variable: _Place | None = None
        self._dispatch: _Dispatch | None = None

    def add(self, resource: Resource) -> None:
        place = self
        for segment in resource.path.split("/")[1:]:
            if segment.startswith("{"):
                place._variable = place._variable or _Place()
                place = place._variable
            else:
                place = place._literal.setdefault(segment, _Place())
        place._dispatch = _Dispatch(resource)

    def find(self, scope: Scope) -> "_Dispatch | None":
        """What is at a request's path, with the values of its variables put into the scope."""
        place, values = self, []
        for segment in scope["path"].split("/")[1:]:
            literal = place._literal.get(segment)
            if literal is not None:
                place = literal
            elif segment and place._variable is not None:
                place = place._variable
                values.append(segment)
            else:
                return None
        found = place._dispatch
        if found is not None:
            scope["path_params"] = dict(zip(found.variables, values, strict=True)) if values else {}
        return found


class _Dispatch:
    """What is at a path: picks the method's handler, and knows the route's name for the metrics."""

    def __init__(self, resource: Resource) -> None:
        self.variables = [each[1:-1] for each in resource.path.split("/") if each.startswith("{")]
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

    async def respond(self, request: Request) -> Response:
        """Raises what the handler raises, and Problem."""
        scope = request.scope
        scope["duestream.route"] = self._path
        handler = self._handlers.get(scope["method"])
        if handler is not None:
            if scope["query_string"] and scope["method"] in self._parameters:
                Query(request).refuse_unknown(self._parameters[scope["method"]])
            return await handler(request)
        if scope["method"] == "OPTIONS":
            return Response(status_code=204, headers={"allow": self._allow})
        detail = f"{scope['method']} is not possible here; {self._allow} are"
        raise Problem(405, "method-not-allowed", detail, headers={"allow": self._allow})
