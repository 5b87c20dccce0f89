"""Every refusal is an RFC 9457 problem that names the field and says what was expected."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from api.problems import on_crash
from tests import stores
from tests.running import Service, running, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORM = "application/x-www-form-urlencoded"
DEEP = 100_000


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem that an answer holds."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said: dict[str, Any] = answer.json()
    assert said["status"] == status
    assert said["type"].startswith("urn:duestream:problem:")
    assert said["title"]
    assert said["detail"]
    return said


@pytest.mark.parametrize(
    ("body", "field", "expected"),
    [
        ("{}", "title", "required"),
        ('{"title": 5}', "title", "expected `str`, got `int`"),
        ('{"title": null}', "title", "expected `str`, got `null`"),
        ('{"title": ""}', "title", "length >= 1"),
        ('{"title": "%s"}' % ("x" * 51), "title", "length <= 50"),
        ('{"title": "x", "titel": "y"}', "titel", "unknown field; did you mean title?"),
        ('{"title": "x", "expiry": "y"}', "expiry", "did you mean expiry_dt?"),
        ('{"title": "x", "zzz": 1}', "zzz", "unknown field"),
        ('{"title": "x", "description": []}', "description", "expected `str | null`, got `array`"),
        ('{"title": "x", "expiry_dt": 17}', "expiry_dt", "expected `str | null`, got `int`"),
        ('{"title": "x", "expiry_dt": "tomorrow"}', "expiry_dt", "2026-11-22T18:30:00+01:00"),
        ('{"title": "x", "expiry_dt": "2030-02-30"}', "expiry_dt", "that exists"),
        ('{"title": "x", "expiry_dt": "2030-01-01T25:00"}', "expiry_dt", "that exists"),
        ('{"title": "x", "expiry_dt": "0001-01-01T00:00:00+14:00"}', "expiry_dt", "that exists"),
        ('{"title": "x", "expiry_dt": "9999-12-31T23:59:59-01:00"}', "expiry_dt", "that exists"),
        ('{"title": "x", "expiry_dt": ""}', "expiry_dt", "ISO 8601"),
        ('[{"title": "x"}, {"title": 1}]', "[1].title", "expected `str`"),
        ('[{"title": "x"}, {"titel": "y"}]', "[1].titel", "did you mean title?"),
        ('[{"title": "x"}, {"title": "x", "expiry_dt": "never"}]', "[1].expiry_dt", "ISO 8601"),
        ("[]", "body", "1 to 10,000"),
        ('[{"title": "x"}, 5]', "[1]", "expected `object`, got `int`"),
        ('"text"', "body", "expected `object`, got `str`"),
        ('{"title": %s' % ("[" * DEEP), "title", "expected `str`"),
    ],
)  # fmt: skip
async def test_a_field_that_is_wrong_is_named(shared: Service, body: str, field: str, expected: str) -> None:
    answer = await shared.http.post("/v1/tasks", content=body, headers={"content-type": "application/json"})

    [error] = problem(answer, 422)["errors"]
    assert error["field"] == field
    assert expected in error["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"{", b'{"title": "x"} trailing', b"{'title': 'x'}", b"title=x", b"\xff\xfe", b'{"title": "\xff"}',
        b'{"title": "\\ud800"}', b'{"title": "\\udc00x"}', b'{"title": "a\x00b"}', b'{"title": "\xed\xa0\x80"}',
        b"[" * DEEP, b'{"tasks": ' + b"[" * DEEP, b'[{"title": "x"}', b"\x1f\x8b\x08",
    ],
)  # fmt: skip
async def test_a_body_that_is_not_json_is_refused_as_such(shared: Service, body: bytes) -> None:
    for method, path in (("POST", "/v1/tasks"), ("PUT", "/v1/tasks"), ("PATCH", "/v1/tasks/1")):
        answer = await shared.http.request(method, path, content=body, headers={"content-type": "application/json"})

        assert answer.status_code in (400, 422), answer.text
        [error] = problem(answer, answer.status_code)["errors"]
        assert error["message"]


@pytest.mark.parametrize(
    ("body", "message"),
    [(b"", "the body is empty"), (b"{'title': 1}", "byte 1"), (b'{"title": "\xff"}', "UTF-8")],
)
async def test_what_is_no_json_is_told_why(shared: Service, body: bytes, message: str) -> None:
    answer = await shared.http.post("/v1/tasks", content=body, headers={"content-type": "application/json"})

    said = problem(answer, 400)
    assert said["errors"][0]["field"] == "body"
    assert message in said["detail"]


@pytest.mark.parametrize(
    ("parameters", "field", "expected"),
    [
        ("limit=-1", "limit", "from 1 to 10,000"),
        ("limit=0", "limit", "from 1 to 10,000"),
        ("limit=10001", "limit", "from 1 to 10,000"),
        ("limit=ten", "limit", "whole number"),
        ("limit=", "limit", "whole number"),
        ("limit=%D9%A3", "limit", "whole number"),
        ("offset=-1", "offset", "from 0"),
        ("offset=99999999999999999999", "offset", "from 0"),
        ("limit=1&limit=2", "limit", "given more than once"),
        ("cursor=garbage", "cursor", "Link header"),
        ("cursor=", "cursor", "Link header"),
        ("cursor=%FF", "cursor", "Link header"),
        ("cursor=am9iczox", "cursor", "Link header"),
        ("cursor=dGFza3M6MA&offset=1", "cursor", "either a cursor or an offset"),
        ("expires_before=soon", "expires_before", "ISO 8601"),
        ("expires_after=2030-02-30", "expires_after", "that exists"),
        ("consistency=maybe", "consistency", "strong or eventual"),
        ("titel=x", "titel", "did you mean title?"),
        ("x=1", "x", "known: limit"),
    ],
)
async def test_a_query_parameter_that_is_wrong_is_named(
    shared: Service, parameters: str, field: str, expected: str
) -> None:
    [error] = problem(await shared.http.get(f"/v1/tasks?{parameters}"), 422)["errors"]

    assert error["field"] == field
    assert expected in error["message"]


async def test_a_filter_does_not_slip_through_where_there_is_none(shared: Service) -> None:
    kept = await shared.http.post("/v1/tasks", json={"title": "kept"})

    for method, path in (("DELETE", "/v1/tasks"), ("DELETE", kept.headers["location"]), ("POST", "/v1/tasks")):
        answer = await shared.http.request(method, path, params={"title": "x"})
        assert problem(answer, 422)["errors"][0] == {
            "field": "title",
            "message": "unknown query parameter; known: none",
        }

    assert (await shared.http.get(kept.headers["location"])).status_code == 200


@pytest.mark.parametrize(
    ("body", "field", "expected"),
    [
        ("", "title", "required"),
        ("title=", "title", "length >= 1"),
        ("title=a&title=b", "title", "given more than once"),
        ("title=a&color=red", "color", "unknown field"),
        ("title=a&expiry_dt=soon", "expiry_dt", "ISO 8601"),
        ('{"title": "a&b"}', "body", "application/json"),
        ('[{"title": "a=b"}]', "body", "application/json"),
    ],
)
async def test_a_form_is_refused_by_the_fields_name(shared: Service, body: str, field: str, expected: str) -> None:
    answer = await shared.http.post("/v1/tasks", content=body, headers={"content-type": FORM})

    [error] = problem(answer, 422)["errors"]
    assert error["field"] == field
    assert expected in error["message"]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (FORM, b"title=%FF"),
        (FORM, b"title=\xff"),
        (FORM, b"&".join(b"f%d=1" % n for n in range(200))),
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b"garbage"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="title"; filename="f"\r\n\r\nhello\r\n--x--\r\n',
        ),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\nhello\r\n--x--\r\n"),
    ],
)
async def test_what_is_no_form_of_text_fields_is_refused(shared: Service, kind: str, body: bytes) -> None:
    answer = await shared.http.post("/v1/tasks", content=body, headers={"content-type": kind})

    assert problem(answer, 400)["errors"][0]["field"] == "body"


async def test_a_multipart_field_that_comes_twice_is_named(shared: Service) -> None:
    answer = await shared.http.post("/v1/tasks", files=[("title", (None, "a")), ("title", (None, "b"))])

    assert problem(answer, 422)["errors"] == [{"field": "title", "message": "given more than once"}]


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("POST", "/v1/tasks", "text/plain"),
        ("POST", "/v1/tasks", "application/xml"),
        ("POST", "/v1/tasks", "*/*"),
        ("PUT", "/v1/tasks", FORM),
        ("PUT", "/v1/tasks", "application/x-ndjson"),
        ("PATCH", "/v1/tasks/1", "text/json"),
    ],
)
async def test_another_content_type_is_refused_with_those_that_will_do(
    shared: Service, method: str, path: str, kind: str
) -> None:
    answer = await shared.http.request(method, path, content=b"{}", headers={"content-type": kind})

    said = problem(answer, 415)
    assert "application/json" in said["detail"]
    assert kind in said["detail"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/v1/tasks", "DELETE, GET, HEAD, OPTIONS, POST, PUT"),
        ("POST", "/v1/tasks/1", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("POST", "/v1/events", "GET, HEAD, OPTIONS"),
        ("DELETE", "/v1/health", "GET, HEAD, OPTIONS"),
        ("TRACE", "/livez", "GET, HEAD, OPTIONS"),
        ("POST", "/openapi.json", "GET, HEAD"),
        ("POST", "/docs", "GET, HEAD"),
        ("POST", "/docs/assets/start.js", "GET, HEAD"),
    ],
)
async def test_a_method_that_is_not_possible_is_told_which_are(
    shared: Service, method: str, path: str, allowed: str
) -> None:
    answer = await shared.http.request(method, path)

    problem(answer, 405)
    assert sorted(answer.headers["allow"].split(", ")) == sorted(allowed.split(", "))


async def test_the_methods_of_a_path_can_be_asked_for(shared: Service) -> None:
    answer = await shared.http.options("/v1/tasks/1")

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"


@pytest.mark.parametrize(
    "path",
    [
        "/nothing", "/v1", "/v2/tasks", "/v1/tasks/", "/v1/tasks/1/", "/v1/tasks/1/nothing", "//v1/tasks",
        "/docs/assets/",
        "/docs/assets/../../app.py", "/docs/assets/%2e%2e/%2e%2e/app.py", "/docs/assets/..%2f..%2fapp.py",
        "/v1/tasks/999999", "/v1/tasks/-1", "/v1/tasks/1.0", "/v1/tasks/abc", "/v1/tasks/%00", "/v1/tasks/%F0%9F%98%80",
        "/v1/tasks/%D9%A3", "/v1/tasks/99999999999999999999999999", "/v1/tasks/*", "/v1/tasks/999999/events",
    ],
)  # fmt: skip
async def test_what_is_not_there_is_not_found(shared: Service, path: str) -> None:
    problem(await shared.http.get(path), 404)


@contextlib.asynccontextmanager
async def small() -> AsyncIterator[Service]:
    with stores.valkey() as store:
        async with running(store, body_limit=2000) as service:
            yield service


async def test_a_body_over_the_limit_is_refused_whether_its_length_was_told_or_not() -> None:
    fits = b'{"title": "x", "description": "%s"}' % (b"y" * 1900)
    too_large = fits + b" " * 200

    def chunks(data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), 100):
            yield data[start : start + 100]

    async def chunked(data: bytes) -> AsyncIterator[bytes]:
        for chunk in chunks(data):
            yield chunk

    async with small() as service:
        json = {"content-type": "application/json"}
        accepted = [
            await service.http.post("/v1/tasks", content=fits, headers=json),
            await service.http.post("/v1/tasks", content=chunked(fits), headers=json),
        ]
        refused = [
            await service.http.post("/v1/tasks", content=too_large, headers=json),
            await service.http.post("/v1/tasks", content=chunked(too_large), headers=json),
            await service.http.put("/v1/tasks", content=too_large, headers=json),
            await service.http.patch("/v1/tasks/1", content=too_large, headers=json),
            await service.http.post("/v1/tasks", content=too_large, headers={"content-type": FORM}),
        ]
        answer = await asyncio.to_thread(_send, service.settings.port, b"Content-Length: 999999999999\r\n\r\n")

    assert [each.status_code for each in accepted] == [201, 201]
    for each in refused:
        assert "at most 2,000 bytes" in problem(each, 413)["detail"]
    assert answer.startswith(b"HTTP/1.1 413 ")  # before a byte of the body was sent


def _send(port: int, rest: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + rest)
        return connection.recv(1000)


async def test_while_redis_is_away_every_answer_says_when_to_come_again() -> None:
    with stores.valkey() as store:
        async with running(store) as service:
            http = service.http
            task = await http.post("/v1/tasks", json={"title": "kept"})
            at = task.headers["location"]
            [node] = store.nodes
            node.kill()

            answers = await asyncio.gather(
                http.post("/v1/tasks", json={"title": "not accepted"}),
                http.post("/v1/tasks", json=[{"title": "not accepted"}] * 600),
                http.get(at),
                http.get("/v1/tasks"),
                http.get("/v1/tasks", params={"consistency": "eventual"}),
                http.patch(at, json={"title": "not accepted"}),
                http.put("/v1/tasks", json={"tasks": [{"id": task.json()["id"], "title": "not accepted"}]}),
                http.delete(at),
                http.delete("/v1/tasks"),
                http.get(f"{at}/events"),
                http.get("/v1/events"),
                http.get("/metrics"),
            )
            ready = await http.get("/readyz")
            alive = [await http.get("/livez"), await http.get("/v1/health")]

            for answer in answers:
                said = problem(answer, 503)
                assert said["type"] == "urn:duestream:problem:unavailable"
                assert answer.headers["retry-after"] == "1"
            assert (ready.status_code, ready.json()["redis"], ready.headers["retry-after"]) == (503, "away", "1")
            assert [answer.status_code for answer in alive] == [200, 200]

            node.start()

            async def back() -> bool:
                return (await http.get("/v1/tasks")).status_code == 200

            await until(back, "the service is back")
            assert (await http.get("/v1/tasks")).json() == {"tasks": [task.json()]}


async def test_every_answer_names_the_request(shared: Service) -> None:
    named = await shared.http.get("/v1/tasks/999999", headers={"x-request-id": "mine-1"})
    unnamed = [await shared.http.get("/livez") for _ in range(2)]
    forged = await shared.http.get("/livez", headers={"x-request-id": "a b\tc"})

    assert named.headers["x-request-id"] == "mine-1"
    assert len({answer.headers["x-request-id"] for answer in unnamed}) == 2
    assert forged.headers["x-request-id"] != "a b\tc"


@pytest.mark.parametrize(("debug", "said"), [(False, "in the log"), (True, "RuntimeError: secret")])
async def test_a_mistake_of_ours_is_told_in_debugging_only(debug: bool, said: str) -> None:

    request = Request({"type": "http", "duestream.request": "r-1"})

    answer = await on_crash(debug=debug)(request, RuntimeError("secret"))

    assert (answer.status_code, answer.headers["x-request-id"]) == (500, "r-1")
    assert said in bytes(answer.body).decode()
    assert debug or "secret" not in bytes(answer.body).decode()
