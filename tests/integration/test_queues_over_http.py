"""Queues over HTTP: what a visitor is told, and how each refusal differs from the others."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.running import Service, running, until
from tests.stores import Store

pytestmark = pytest.mark.asyncio(loop_scope="module")
KEYS = "ann=ann-secret"


def kind(answer: httpx.Response) -> str:
    """Which problem it is."""
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["type"]).removeprefix("urn:duestream:problem:")


async def opened(shared: Service, name: str, **settings: object) -> str:
    """The path of a new queue."""
    answer = await shared.http.put(f"/v1/queues/{name}", json=settings)
    assert answer.status_code == 201, answer.text
    return f"/v1/queues/{name}"


async def take(shared: Service, queue: str) -> dict[str, Any]:
    answer = await shared.http.post(f"{queue}/tokens")
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_the_queue_cats_exists_from_the_start(shared: Service) -> None:
    answer = await shared.http.get("/v1/queues/cats")

    assert answer.status_code == 200
    board = answer.json()
    assert (board["queue"], board["claim_seconds"], board["serve_seconds"], board["counters"]) == ("cats", 60, 60, 1)
    assert (board["codes"], board["ban"], board["waiting"], board["turn_seconds"]) == (False, None, [], None)


async def test_a_visit_from_the_token_to_the_picture(shared: Service) -> None:
    http, queue = shared.http, await opened(shared, "visit")

    taken = await http.post(f"{queue}/tokens")
    assert taken.headers["location"] == f"{queue}/tokens/A00"
    first = taken.json()
    assert (first["token"], first["status"], first["position"], first["ahead"]) == ("A00", "called", 1, 0)
    assert first["expires_at"] > first["server_time"]
    second = await take(shared, queue)
    assert (second["token"], second["position"], second["ahead"], second["eta_seconds"]) == ("A01", 2, 1, None)
    assert "expires_at" not in second

    early = await http.get(f"{queue}/tokens/A00/picture")
    claimed = await http.post(f"{queue}/tokens/A00/claim")
    picture = await http.get(claimed.json()["picture"])
    png = await http.get(claimed.json()["picture"], params={"format": "png", "download": "1"})
    read = await http.get(f"{queue}/tokens/A00")
    board = (await http.get(queue)).json()
    finished = await http.post(f"{queue}/tokens/A00/finish")
    late = await http.get(f"{queue}/tokens/A00/picture")

    assert (early.status_code, claimed.status_code, finished.status_code, late.status_code) == (409, 200, 204, 410)
    assert claimed.json()["status"] == "serving"
    assert picture.headers["content-type"] == "image/svg+xml"
    assert "default-src 'none'" in picture.headers["content-security-policy"]
    assert picture.headers["x-content-type-options"] == "nosniff"
    assert picture.headers["cache-control"] == "no-store"
    assert png.content.startswith(b"\x89PNG")
    assert png.headers["content-disposition"].startswith("attachment; filename=")
    assert (read.json()["status"], read.json()["picture"]) == ("serving", claimed.json()["picture"])
    assert board["serving"] == [{"token": "A00", "expires_at": claimed.json()["expires_at"]}]
    assert (board["called"], board["waiting"]) == ([], ["A01"])
    assert board["counts"] == {"waiting": 1, "called": 0, "serving": 1}
    assert (await http.get(f"{queue}/tokens/A01")).json()["status"] == "called"


async def test_every_token_has_a_kitten_of_its_own(shared: Service) -> None:
    queue = await opened(shared, "kittens", counters=2)
    pictures = set()
    for _ in range(2):
        token = (await take(shared, queue))["token"]
        await shared.http.post(f"{queue}/tokens/{token}/claim")
        pictures.add((await shared.http.get(f"{queue}/tokens/{token}/picture")).content)
        await shared.http.post(f"{queue}/tokens/{token}/finish")  # so that the next has the same label

    assert len(pictures) == 2


async def test_the_refusals_of_a_claim_are_told_apart(shared: Service) -> None:
    http, queue = shared.http, await opened(shared, "refusals", ban="none")

    empty = await http.post(f"{queue}/tokens/A00/claim")
    await take(shared, queue)
    await take(shared, queue)
    early = await http.post(f"{queue}/tokens/a01/claim")
    cheat = await http.post(f"{queue}/tokens/Q77/claim")
    await http.post(f"{queue}/tokens/A00/claim")
    used = await http.post(f"{queue}/tokens/A00/claim")
    nowhere = await http.post("/v1/queues/nowhere/tokens/A00/claim")

    assert [(each.status_code, kind(each)) for each in (empty, early, cheat, used, nowhere)] == [
        (404, "empty"), (409, "not-your-turn"), (403, "cheater"), (410, "over"), (404, "not-found"),
    ]  # fmt: skip
    assert (early.json()["position"], early.json()["ahead"]) == (2, 1)
    assert 1 <= int(early.headers["retry-after"]) <= 60
    assert used.json()["token_status"] == "serving"


async def test_who_gives_his_token_back_is_gone(shared: Service) -> None:
    http, queue = shared.http, await opened(shared, "leaving")
    await take(shared, queue)
    await take(shared, queue)

    assert (await http.delete(f"{queue}/tokens/A01")).status_code == 204

    assert (await http.get(f"{queue}/tokens/A01")).json()["token_status"] == "left"
    assert [(await http.delete(f"{queue}/tokens/{label}")).status_code for label in ("A01", "Q77")] == [410, 404]
    assert (await http.get(queue)).json()["waiting"] == []


async def test_a_code_is_told_once_and_needed_for_the_rest(shared: Service) -> None:
    http, queue = shared.http, await opened(shared, "codes", codes=True)
    code = (await take(shared, queue))["code"]

    read = await http.get(f"{queue}/tokens/A00")
    without = await http.post(f"{queue}/tokens/A00/claim")
    wrong = await http.post(f"{queue}/tokens/A00/claim", json={"code": "XXXXXX"})
    claimed = await http.post(f"{queue}/tokens/A00/claim", json={"code": code.lower()})
    bare = await http.get(f"{queue}/tokens/A00/picture")
    picture = await http.get(claimed.json()["picture"])
    finished = await http.post(f"{queue}/tokens/A00/finish", params={"code": code})

    assert "code" not in read.json()
    assert "picture" not in (await http.get(queue)).text
    assert [kind(each) for each in (without, wrong, bare)] == ["wrong-code"] * 3
    assert [each.status_code for each in (claimed, picture, finished)] == [200, 200, 204]


async def test_a_queue_is_configured_and_configured_again(shared: Service) -> None:
    http, queue = shared.http, await opened(shared, "settings", counters=2)

    again = await http.put(queue, json={"counters": 3, "ban": "1h", "claim_seconds": 30})

    assert again.status_code == 200
    assert again.json() == {
        "queue": "settings", "claim_seconds": 30, "serve_seconds": 60, "counters": 3, "codes": False,
        "max_waiting": 100_000, "ban": "1h",
    }  # fmt: skip
    assert "settings" in [each["queue"] for each in (await http.get("/v1/queues")).json()["queues"]]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"counter": 1}, "counter: unknown field; did you mean counters?"),
        ({"counters": 0}, "counters: expected `int` >= 1"),
        ({"claim_seconds": -1}, "claim_seconds: expected `float` >= 0.05"),
        ({"ban": "always"}, "ban: expected forever, none or a time span such as 90s, 15m or 7d, got 'always'"),
    ],
)
async def test_settings_that_cannot_be_are_refused_by_name(shared: Service, body: dict[str, object], said: str) -> None:
    answer = await shared.http.put("/v1/queues/wrong", json=body)

    assert (answer.status_code, answer.json()["detail"]) == (422, said)
    assert (await shared.http.get("/v1/queues/wrong")).status_code == 404


async def test_names_that_no_queue_can_have_are_no_queues(shared: Service) -> None:
    for name in ("%20", "a%20b", ".x", "x" * 65, "%F0%9F%90%88"):
        assert (await shared.http.put(f"/v1/queues/{name}", json={})).status_code == 422
        assert (await shared.http.post(f"/v1/queues/{name}/tokens")).status_code == 404


async def test_a_taking_that_is_sent_again_gets_the_same_token(shared: Service) -> None:
    http, queue = shared.http, await opened(shared, "again")

    answers = [await http.post(f"{queue}/tokens", headers={"idempotency-key": "one"}) for _ in range(2)]

    assert answers[0].json()["number"] == answers[1].json()["number"] == 1


async def test_a_full_queue_says_when_to_come_again(shared: Service) -> None:
    http, queue = shared.http, await opened(shared, "full", max_waiting=1)
    await take(shared, queue)
    await take(shared, queue)

    answer = await http.post(f"{queue}/tokens")

    assert (answer.status_code, kind(answer)) == (503, "queue-full")
    assert int(answer.headers["retry-after"]) >= 1


async def test_the_board_shows_as_many_as_asked_for(shared: Service) -> None:
    http, queue = shared.http, await opened(shared, "long")
    await asyncio.gather(*(take(shared, queue) for _ in range(100)))

    usual, three, all_of_them = [
        (await http.get(queue, params=params)).json()["waiting"] for params in ({}, {"limit": 3}, {"limit": 10_000})
    ]

    assert len(usual) == 64
    assert (three, len(all_of_them)) == (usual[:3], 99)
    assert (await http.get(queue, params={"limit": 10_001})).status_code == 422


async def test_waiting_times_are_told_once_turns_have_gone_by(shared: Service) -> None:
    http, queue = shared.http, await opened(shared, "times")
    for _ in range(4):
        await take(shared, queue)
    await http.delete(f"{queue}/tokens/A00")

    eta = (await http.get(f"{queue}/tokens/A03")).json()["eta_seconds"]
    board = (await http.get(queue)).json()

    assert 0 <= eta["low"] <= eta["high"]
    assert board["turn_seconds"] is not None


async def test_the_originals_paths_have_the_originals_words(valkey_service: Service) -> None:
    http = valkey_service.http

    async def post(token: str) -> dict[str, str]:
        answer = await http.post("/post-token", data={"token-field": token})
        assert answer.status_code == 200
        found: dict[str, str] = answer.json()
        return found

    assert await post("A00") == {"status": "db_empty"}
    assert (await http.get("/get-token")).json() == {"status": "ok", "token": "A00"}
    assert (await http.get("/get-token")).json() == {"status": "ok", "token": "A01"}
    assert await post("A01") == {"status": "wrong_turn"}
    success = await post("A00")
    assert success == {"status": "success", "image_url": "/v1/queues/cats/tokens/A00/picture"}
    assert (await http.get(success["image_url"])).status_code == 200
    assert await post("A00") == {"status": "wrong_turn"}  # used
    assert (await http.get("/start-delay")).json() == {"status": "ok"}
    assert (await post("A01"))["status"] == "success"
    crossing = await http.get("/get-token", headers={"sec-fetch-site": "cross-site"})
    assert (crossing.status_code, kind(crossing)) == (403, "wrong-origin")
    assert await post("Q77") == {"status": "cheater"}
    assert await post("A01") == {"status": "banned"}
    assert (await http.get("/get-token")).json() == {"status": "banned"}
    assert kind(await http.get("/update")) == "banned"


async def test_a_cheater_is_kept_out_by_every_process_until_he_is_let_in_again(valkey: Store) -> None:
    async with running(valkey) as service, running(valkey, "api") as other:
        http = service.http
        await http.post("/v1/queues/cats/tokens")

        cheated = await http.post("/v1/queues/cats/tokens/Q77/claim")
        refused = [
            await other.http.request(method, f"/v1/queues/cats{path}")
            for method, path in (
                ("GET", ""), ("GET", "/events"), ("POST", "/tokens"), ("GET", "/tokens/A00"), ("DELETE", "/tokens/A00"),
                ("POST", "/tokens/A00/claim"), ("POST", "/tokens/A00/finish"), ("GET", "/tokens/A00/picture"),
            )
        ]  # fmt: skip
        bans = (await other.http.get("/v1/bans")).json()["bans"]
        freed = await http.delete(f"/v1/bans/{bans[0]['address']}")
        again = await other.http.get("/v1/queues/cats")

    assert (cheated.status_code, kind(cheated)) == (403, "cheater")
    assert "claimed token Q77" in cheated.json()["detail"]
    assert {(each.status_code, kind(each)) for each in refused} == {(403, "banned")}
    assert all("claimed token Q77" in each.json()["detail"] for each in refused)
    assert (len(bans), bans[0]["address"], bans[0]["ends_at"]) == (1, "127.0.0.1", None)
    assert (freed.status_code, again.status_code) == (204, 200)


async def test_behind_a_trusted_proxy_only_the_cheater_is_kept_out(valkey: Store) -> None:
    async with running(valkey, trusted_proxies="127.0.0.0/8", takes_per_minute=2) as service:
        http = service.http
        ann, bob = ({"x-forwarded-for": address} for address in ("2001:db8::1", "203.0.113.7"))
        await http.post("/v1/queues/cats/tokens", headers=bob)

        await http.post("/v1/queues/cats/tokens/Q77/claim", headers=ann)
        neighbour = await http.get("/v1/queues/cats", headers={"x-forwarded-for": "2001:db8::2"})
        stranger = await http.get("/v1/queues/cats", headers={"x-forwarded-for": "2001:db8:0:1::2"})
        takings = [(await http.post("/v1/queues/cats/tokens", headers=bob)).status_code for _ in range(3)]

    assert (neighbour.status_code, stranger.status_code) == (403, 200)
    assert takings == [201, 429, 429]


async def test_visitors_need_no_key_where_queues_are_public_and_nothing_else_is(valkey: Store) -> None:
    async with running(valkey, api_keys=KEYS, public_queues=True) as service:
        http = service.http
        open_ = [
            (await http.request(method, path)).status_code
            for method, path in (
                ("GET", "/v1/queues/cats"), ("POST", "/v1/queues/cats/tokens"), ("GET", "/v1/queues/cats/tokens/A00"),
                ("GET", "/get-token"),
            )
        ]  # fmt: skip
        closed = [
            (await http.request(method, path)).status_code
            for method, path in (
                ("PUT", "/v1/queues/cats"), ("GET", "/v1/queues"), ("GET", "/v1/bans"), ("DELETE", "/v1/bans/1.2.3.4"),
                ("GET", "/v1/tasks"), ("GET", "/v1/events"), ("GET", "/v1/queues/cats/other"),
            )
        ]  # fmt: skip

    assert open_ == [200, 201, 200, 200]
    assert set(closed) == {401}


async def test_with_keys_queues_are_closed_unless_they_are_said_to_be_public(valkey: Store) -> None:
    async with running(valkey, "api", api_keys=KEYS) as service:
        assert (await service.http.get("/v1/queues/cats")).status_code == 401
        assert (await service.http.get("/get-token")).status_code == 401


async def test_deadlines_are_kept_through_a_restart_of_everything(valkey: Store) -> None:
    async with running(valkey, "api", "projector") as service:  # no scheduler runs
        await service.http.put("/v1/queues/cats", json={"claim_seconds": 0.2})
        for _ in range(2):
            await service.http.post("/v1/queues/cats/tokens")

    async with running(valkey) as service:

        async def lapsed() -> bool:
            answer = await service.http.get("/v1/queues/cats/tokens/A01")
            return answer.status_code == 410 and answer.json()["token_status"] == "lapsed"

        await until(lapsed, "both have lapsed")
