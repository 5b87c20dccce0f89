"""The OpenAPI 3.1 document, from the table of resources and the types that validate."""

import inspect
import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from api.access import is_open
from api.bodies import FORMS, JSON, NDJSON, Body
from api.problems import MEDIA_TYPE, FieldError, ProblemDetails, details
from api.resources import Answer, Operation, Parameter, Resource
from api.task_types import LARGEST_ID
from duestream import __version__

ALWAYS = (401, 403, 503)  # problems that every operation may answer, but those that are open to all: no 401
TAGS = {
    "tasks": "Tasks with expiry notices.",
    "jobs": "Containers and handlers, run now or at a time.",
    "timed jobs": "Containers at a time, in the words of the scheduler that this grew from.",
    "turns": "Visitors take tokens, wait, are called and served.",
    "seed turns": "Turns, on the paths of the queue that this grew from.",
    "events": "What happens, as it happens.",
    "health": "For whoever watches over the service.",
}
PROBLEMS = {  # an example of each
    400: ("malformed", "body: expected JSON: the body is empty", "body"),
    401: ("unauthorized", "expected Authorization: Bearer with an API key of this service", ""),
    403: ("wrong-origin", "Origin: a page of 'https://elsewhere.example' needs an API key", ""),
    404: ("not-found", "there is no task 7", ""),
    409: ("conflict", "task 7 is being changed too often", ""),
    410: ("over", "this token was called and not claimed in time; take another one", ""),
    412: ("precondition-failed", 'If-Match names another revision; it is at "3" now', ""),
    413: ("too-large", "expected a body of at most 16,777,216 bytes", ""),
    415: ("unsupported-media-type", "expected application/json, got text/plain", ""),
    422: ("invalid", "titel: unknown field; did you mean title?", "titel"),
    429: ("too-often", "too many requests from this address", ""),
    503: ("unavailable", "the store cannot be reached", ""),
}
ID = {"type": "integer", "minimum": 0, "maximum": LARGEST_ID, "examples": [7]}
_REF = "#/components/schemas/{name}"


def document(resources: Sequence[Resource]) -> dict[str, Any]:
    """The document for some resources."""
    types = [ProblemDetails, *_types(resources)]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    refs = dict(zip(types, schemas, strict=True))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Duestream",
            "version": __version__,
            "description": "Tasks, turns and jobs that fall due, on one journal.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": {each.path: _path(each, refs, components) for each in resources},
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "an API key"}},
        },
        "security": [{"key": []}, {}],
    }


def _types(resources: Iterable[Resource]) -> list[Any]:
    found: dict[Any, None] = {}
    for resource in resources:
        for operation in resource.methods.values():
            if operation.body is not None:
                found[operation.body.type] = None
            for answer in operation.answers.values():
                found.update(dict.fromkeys((*answer.types, *answer.shown)))
    return list(found)


def _path(resource: Resource, refs: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    path: dict[str, Any] = {}
    if names := re.findall(r"{(\w+)}", resource.path):
        path["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": dict(resource.variables.get(name, ID))}
            for name in names
        ]
    for method, operation in resource.methods.items():
        path[method.lower()] = _operation(resource, method, operation, refs, components)
    return path


def _operation(
    resource: Resource, method: str, operation: Operation, refs: dict[Any, Any], components: dict[str, Any]
) -> dict[str, Any]:
    text = inspect.cleandoc(operation.handler.__doc__ or "").partition(": ")[2]
    name = resource.path.strip("/").replace("/", "-").replace("{", "").replace("}", "") or "root"
    problems = {*operation.problems, *ALWAYS} - ({401} if is_open(resource.path) else set())
    described: dict[str, Any] = {
        "operationId": f"{method.lower()}-{name}",
        "summary": text[:1].upper() + text[1:],
        "tags": [operation.tag],
        "responses": {
            **{str(status): _answer(answer, refs) for status, answer in operation.answers.items()},
            **{str(status): _problem(status) for status in sorted(problems - operation.answers.keys())},
        },
    }
    if is_open(resource.path):
        described["security"] = []
    if operation.parameters:
        described["parameters"] = [_parameter(each) for each in operation.parameters]
    if operation.body is not None:
        content = _content(operation.body, refs, components)
        described["requestBody"] = {"required": not operation.body.optional, "content": content}
    return described


def _content(body: Body[Any], refs: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    one = refs[body.type]
    content: dict[str, Any] = {}
    for media in body.media_types:
        schema = one
        if body.most > 1 and media == JSON:
            schema = {"anyOf": [one, _many(one, body.most)]}
        elif media in NDJSON:
            schema = {**_many(one, body.most), "description": "one a line"}
        elif media in FORMS:
            schema = _form(components[body.type.__name__])
        content[media] = {"schema": schema}
        if media == JSON and body.example is not None:
            content[media]["example"] = body.example
    return content


def _many(one: dict[str, Any], most: int) -> dict[str, Any]:
    return {"type": "array", "items": one, "minItems": 1, "maxItems": most}


def _form(schema: dict[str, Any]) -> dict[str, Any]:
    """A type as a form sends it: there is no null in a form, an empty field is as good as none."""
    properties: dict[str, Any] = {}
    for name, each in schema["properties"].items():
        texts = [choice for choice in each.get("anyOf", ()) if choice.get("type") == "string"]
        properties[name] = {"anyOf": [*texts, {"const": ""}]} if texts else each
    return {
        "type": "object",
        "properties": properties,
        "required": schema["required"],
        "additionalProperties": False,
    }


def _answer(answer: Answer, refs: dict[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"description": answer.text}
    if answer.types:
        schemas = [refs[each] for each in answer.types]
        described["content"] = {JSON: {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}}
    if answer.media_type:
        described.setdefault("content", {})[answer.media_type] = {"schema": {"type": "string"}}
    if answer.headers:
        described["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in answer.headers.items()
        }
    return described


def _problem(status: int) -> dict[str, Any]:
    kind, detail, field = PROBLEMS[status]
    errors = [FieldError(field, detail.removeprefix(f"{field}: "))] if field else []
    return {
        "description": HTTPStatus(status).phrase,
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": _REF.format(name=ProblemDetails.__name__)},
                "example": msgspec.to_builtins(details(status, kind, detail, errors)),
            }
        },
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "required": False,
        "schema": dict(parameter.schema),
        "description": parameter.text,
    }
