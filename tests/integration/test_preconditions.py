"""If-Match and If-None-Match: a client changes, or gets again, only what it thinks it does."""

import asyncio
from collections import Counter

import httpx
import pytest

from tests.running import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def task_at_revision_2(http: httpx.AsyncClient) -> str:
    """The path of a task that was changed once."""
    at: str = (await http.post("/v1/tasks", json={"title": "one"})).headers["location"]
    await http.patch(at, json={"title": "two"})
    return at


@pytest.mark.parametrize("tag", ['"2"', "*", '"1", "2"', '"x","2",W/"9"', '"2" ,"3"'])
async def test_a_change_is_made_where_a_tag_matches(shared: Service, tag: str) -> None:
    at = await task_at_revision_2(shared.http)

    changed = await shared.http.patch(at, json={"title": "three"}, headers={"if-match": tag})

    assert (changed.status_code, changed.headers["etag"]) == (200, '"3"')
    gone = await shared.http.delete(at, headers={"if-match": tag.replace("2", "3")})
    assert gone.status_code == 204


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
@pytest.mark.parametrize("tag", ['"1"', '"3"', 'W/"2"', '"1", "3"', '""', '"02"'])
async def test_nothing_changes_where_no_tag_matches(shared: Service, method: str, tag: str) -> None:
    at = await task_at_revision_2(shared.http)
    before = (await shared.http.get(at)).json()
    body = None if method == "DELETE" else {"title": "three"}

    refused = await shared.http.request(method, at, json=body, headers={"if-match": tag})

    assert (refused.status_code, refused.headers["etag"]) == (412, '"2"')
    assert refused.json()["type"] == "urn:duestream:problem:precondition-failed"
    assert (await shared.http.get(at)).json() == before


async def test_tags_may_be_spread_over_several_headers(shared: Service) -> None:
    at = await task_at_revision_2(shared.http)

    changed = await shared.http.patch(at, json={"title": "three"}, headers=[("if-match", '"1"'), ("if-match", '"2"')])

    assert changed.status_code == 200


@pytest.mark.parametrize("tag", ["2", "", '"2', '"2" "3"', "*, *"])
async def test_what_is_no_tag_is_refused_by_the_headers_name(shared: Service, tag: str) -> None:
    at = await task_at_revision_2(shared.http)

    refused = await shared.http.patch(at, json={"title": "three"}, headers={"if-match": tag})

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "If-Match"


async def test_of_many_who_change_one_revision_exactly_one_does(shared: Service) -> None:
    at = await task_at_revision_2(shared.http)

    answers = await asyncio.gather(
        *(shared.http.patch(at, json={"title": f"{n}"}, headers={"if-match": '"2"'}) for n in range(10)),
        *(shared.http.delete(at, headers={"if-match": '"2"'}) for n in range(3)),
    )

    codes = Counter(answer.status_code for answer in answers)
    assert codes[200] + codes[204] == 1
    assert codes[412] + codes[404] == 12


async def test_deleting_any_revision_is_not_put_off_by_others_who_change_it(shared: Service) -> None:
    at = await task_at_revision_2(shared.http)

    changes = [shared.http.patch(at, json={"title": f"{n}"}) for n in range(10)]
    deleted, *answers = await asyncio.gather(shared.http.delete(at, headers={"if-match": "*"}), *changes)

    assert deleted.status_code == 204
    assert {answer.status_code for answer in answers} <= {200, 404}
    assert (await shared.http.get(at)).status_code == 404


@pytest.mark.parametrize("tag", ['"2"', 'W/"2"', "*", '"1", "2"'])
async def test_what_the_client_has_is_not_sent_again(shared: Service, tag: str) -> None:
    at = await task_at_revision_2(shared.http)

    same = await shared.http.get(at, headers={"if-none-match": tag})

    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", '"2"')


async def test_what_the_client_does_not_have_is_sent(shared: Service) -> None:
    at = await task_at_revision_2(shared.http)

    for tag in ('"1"', 'W/"1"', '"3", "22"'):
        assert (await shared.http.get(at, headers={"if-none-match": tag})).json()["title"] == "two"
    assert (await shared.http.get("/v1/tasks/999999", headers={"if-none-match": "*"})).status_code == 404
