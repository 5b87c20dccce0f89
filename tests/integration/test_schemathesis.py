"""The API against its own OpenAPI document: no answer that the document does not tell of, and never a mistake."""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from api.app import services_of
from api.job_lists import TIMES
from api.openapi import document
from api.requests import ETAGS
from api.table import table
from duestream import instants
from duestream.server import Server
from duestream.settings import Settings
from tests import stores
from tests.serving import served

EXAMPLES = 25


def _cursor(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


# What no pattern can say, said to the generator: dates that exist, cursors that a list gave.
_dates = st.datetimes().map(lambda at: f"{max(at.year, 2):04}-{at:%m-%dT%H:%M:%S}Z")
_cursors = st.integers(0, 10**15 - 1).map(lambda n: _cursor(b"tasks:%d" % n))
schemathesis.openapi.format("iso8601", _dates)
schemathesis.openapi.format("cursor", _cursors)
schemathesis.openapi.format(
    "job-cursor", st.binary(min_size=16, max_size=16).map(lambda some: _cursor(b"jobs:" + some.hex().encode()))
)


@schemathesis.serializer("application/x-ndjson")
def ndjson(_: Any, value: Any) -> bytes:
    items = value if isinstance(value, list) else [[value]]
    return b"\n".join(json.dumps(item).encode() for item in items)


def _breaks_an_unwritten_rule(case: Any) -> bool:
    """Whether a case breaks a rule that the document can only tell in words, so that it may be refused."""
    query, headers, body = case.query or {}, case.headers or {}, case.body
    if case.method != "GET" and case.path.startswith(
        ("/v1/jobs", "/job")
    ):  # spans, images, options that exclude others
        return True
    if {"cursor", "offset"} <= query.keys() or "Idempotency-Key" in headers:  # which may have come before
        return True
    if any(name in headers and not re.search(ETAGS, headers[name]) for name in ("If-Match", "If-None-Match")):
        return True  # the generator does not heed this pattern
    if "token" in (case.path_parameters or {}):  # which may have ended
        return True
    if isinstance(body, dict) and any(isinstance(body.get(name), float) for name in ("counters", "max_waiting")):
        return True  # JSON Schema: 7.0 is 7
    found = [body]
    if isinstance(body, dict) and isinstance(body.get("tasks"), list):
        found = body["tasks"]
        ids = [each.get("id") for each in found if isinstance(each, dict)]
        if len(set(map(str, ids))) < len(ids) or any(isinstance(id, float) for id in ids):  # JSON Schema: 7.0 is 7
            return True
    elif isinstance(body, list):
        found = body
    dates = [query.get(name) for name in ("expires_before", "expires_after", *TIMES)]
    dates += [each.get("expiry_dt") for each in found if isinstance(each, dict)]
    return any(isinstance(each, str) and _is_no_date(each) for each in dates)


def _is_no_date(text: str) -> bool:
    try:
        instants.parse(text, None)
    except ValueError:
        return True
    return False


def _document() -> dict[str, Any]:
    return document(table(services_of(Settings(), Server(Redis()), "api")))


STREAMS = ["/v1/events", "/v1/queues/{queue}/events", "/update"]  # they never end; they have tests of their own
schema = schemathesis.openapi.from_dict(_document()).exclude(path=STREAMS)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with stores.valkey() as store, served(store, ban="none", takes_per_minute=0) as url:
        yield url


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_documented(case: Any, url: str) -> None:
    excluded = [positive_data_acceptance] if _breaks_an_unwritten_rule(case) else []
    if case.operation.path == "/post-token":  # a form has only texts: what should be no text is one there
        excluded.append(negative_data_rejection)
    case.call_and_validate(base_url=url, excluded_checks=excluded)
