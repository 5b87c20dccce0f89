"""The OpenAPI document: valid, whole, and its examples are what it says they must be."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from redis.asyncio import Redis

from api.access import is_open
from api.app import build, services_of
from api.openapi import document
from api.problems import ProblemDetails
from api.resources import Resource
from api.table import table
from duestream import __version__
from duestream.server import Server
from duestream.settings import Settings
from tests.running import Service

SERVICES = services_of(Settings(), Server(Redis()), "api")
RESOURCES: list[Resource] = table(SERVICES)
DOCUMENT = document(RESOURCES)
OPERATIONS = [
    (path, method, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method != "parameters"
]
IN_OTHER_WORDS = {("/readyz", "503"), ("/jobs", "400"), ("/job", "400"), ("/job/{id}", "404")}  # than problem details


def schemas(node: Any) -> Iterator[dict[str, Any]]:
    """Everything in the document that has examples of its own."""
    if isinstance(node, dict):
        if "examples" in node and isinstance(node["examples"], list):
            yield node
        for each in node.values():
            yield from schemas(each)
    elif isinstance(node, list):
        for each in node:
            yield from schemas(each)


def bodies(node: Any) -> Iterator[dict[str, Any]]:
    """Every body, sent or answered, that has an example."""
    if isinstance(node, dict):
        if "example" in node:
            yield node
        for each in node.values():
            yield from bodies(each)


def test_the_document_is_valid_openapi_3_1() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()

    assert DOCUMENT["openapi"].startswith("3.1.")
    assert DOCUMENT["info"]["version"] == __version__


def test_every_schema_is_valid_and_allows_its_examples() -> None:
    found = list(schemas(DOCUMENT))

    assert found
    for schema in found:
        Draft202012Validator.check_schema(schema)
        for example in schema["examples"]:
            Draft202012Validator(schema).validate(example)


def test_the_example_of_every_body_is_one() -> None:
    found = list(bodies(DOCUMENT["paths"]))

    assert found
    for body in found:
        schema = {**body["schema"], "components": DOCUMENT["components"]}
        Draft202012Validator(schema).validate(body["example"])


def test_every_route_is_in_the_document() -> None:
    paths = {route.path for route in build(SERVICES).routes}  # type: ignore[attr-defined]

    assert paths == {
        "/",
        "/openapi.json",
        "/docs",
        "/docs/assets",
        "/page/{file}",
    }  # of the page, and the document's own
    assert {resource.path for resource in RESOURCES} == set(DOCUMENT["paths"])
    for resource in RESOURCES:
        methods = {method.lower() for method in resource.methods}
        assert methods == DOCUMENT["paths"][resource.path].keys() - {"parameters"}


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=[f"{m} {p}" for p, m, _ in OPERATIONS])
def test_every_operation_says_what_it_does_and_answers(path: str, method: str, operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert operation["tags"]
    assert "503" in operation["responses"]
    assert ("401" in operation["responses"]) == (operation.get("security") != []) == (not is_open(path))
    for status, answer in operation["responses"].items():
        assert answer["description"]
        if int(status) >= 400 and (path, status) not in IN_OTHER_WORDS:
            schema = answer["content"]["application/problem+json"]["schema"]
            assert schema == {"$ref": f"#/components/schemas/{ProblemDetails.__name__}"}
    for parameter in operation.get("parameters", []):
        assert parameter["description"], parameter["name"]
    if "requestBody" in operation:
        assert {"400", "413", "415", "422"} <= operation["responses"].keys()


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]

    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in names)


@pytest.mark.parametrize("store", ["valkey"], indirect=True)
async def test_it_is_served_as_it_was_made(service: Service) -> None:
    answer = await service.http.get("/openapi.json")

    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == DOCUMENT
