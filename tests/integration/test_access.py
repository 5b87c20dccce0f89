"""Who may ask: API keys, what is open to all, and what is refused before anything listens."""

import asyncio
import hmac

import pytest

from api.main import run
from duestream.errors import Misuse
from duestream.settings import Settings
from tests.running import running
from tests.stores import Store, free_port

KEYS = "ann=ann-secret, bob=böb-secret"
ANN = {"authorization": "Bearer ann-secret"}


@pytest.mark.parametrize(
    "sent",
    [
        None, "", "Bearer", "Bearer wrong-secret", "Bearer ann-secret-and-more", "Bearer ann", "Bearer ANN-SECRET",
        "Basic ann-secret", "ann-secret", "Bearer ann=ann-secret", "Bearer \xff",
    ],
)  # fmt: skip
async def test_without_a_key_nothing_is_told_and_nothing_done(valkey: Store, sent: str | None) -> None:
    async with running(valkey, api_keys=KEYS) as service:
        headers = [] if sent is None else [(b"authorization", sent.encode("latin-1"))]

        answers = [
            await service.http.request(method, path, headers=headers)
            for method, path in (
                ("GET", "/v1/tasks"), ("POST", "/v1/tasks"), ("DELETE", "/v1/tasks"), ("GET", "/v1/tasks/1"),
                ("GET", "/v1/events"), ("GET", "/metrics"), ("GET", "/nothing"), ("OPTIONS", "/v1/tasks"),
                ("GET", "/docsx"), ("GET", "/v1/health/../tasks"), ("GET", "//livez"),
            )
        ]  # fmt: skip

        for answer in answers:
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == 'Bearer realm="duestream"'
            assert answer.headers["content-type"] == "application/problem+json"
            assert "x-request-id" in answer.headers
        assert (await service.http.get("/v1/tasks", headers=ANN)).json() == {"tasks": []}


async def test_health_and_documentation_are_open_to_all(valkey: Store) -> None:
    async with running(valkey, api_keys=KEYS) as service:
        for path in ("/v1/health", "/livez", "/readyz", "/openapi.json", "/docs", "/docs/assets/start.js"):
            assert (await service.http.get(path)).status_code == 200, path


async def test_the_keys_owner_is_who_an_event_is_by(valkey: Store) -> None:
    async with running(valkey, api_keys=KEYS) as service:
        http = service.http
        bob = [(b"authorization", b"bearer  " + "böb-secret".encode())]

        created = await http.post("/v1/tasks", json={"title": "x"}, headers={**ANN, "x-request-id": "r-1"})
        at = created.headers["location"]
        changed = await http.patch(at, json={"title": "y"}, headers=bob)

        assert (created.status_code, changed.status_code) == (201, 200)
        events = (await http.get(f"{at}/events", headers=ANN)).json()["events"]
        assert [each["by"] for each in events] == ["ann", "bob"]
        assert events[0]["cause"] == "r-1"
        assert events[1]["cause"] == changed.headers["x-request-id"]


async def test_keys_are_compared_in_constant_time(valkey: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[object, object]] = []
    compare = hmac.compare_digest

    def watched(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return compare(one, other)

    async with running(valkey, api_keys=KEYS) as service:
        monkeypatch.setattr(hmac, "compare_digest", watched)
        for sent in ("Bearer ann-secret", "Bearer x"):
            await service.http.get("/v1/tasks", headers={"authorization": sent})

    assert len(compared) == 4  # every key each time, also after one that fits
    assert all(isinstance(each, bytes) and len(each) == 32 for pair in compared for each in pair)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
async def test_it_does_not_listen_for_other_hosts_without_keys(valkey: Store, host: str) -> None:
    port = free_port()

    with pytest.raises(Misuse) as refused:
        await run(Settings(redis_url=valkey.url, host=host, port=port), asyncio.Event())

    assert "DUESTREAM_API_KEYS" in str(refused.value)
    assert "--insecure-no-auth" in str(refused.value)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


@pytest.mark.parametrize("changes", [{"api_keys": KEYS}, {"insecure_no_auth": True}])
async def test_it_listens_for_other_hosts_with_keys_or_when_told_to(valkey: Store, changes: dict[str, object]) -> None:
    async with running(valkey, "api", host="0.0.0.0", **changes) as service:
        assert (await service.http.get("/livez")).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8888", "localhost.evil.example", "127.0.0.1.evil.example"]
)
async def test_without_keys_a_name_that_somebody_points_here_is_refused(valkey: Store, host: str) -> None:
    async with running(valkey) as service:
        answer = await service.http.post("/v1/tasks", json={"title": "x"}, headers={"host": host})

        assert answer.status_code == 403
        assert host in answer.json()["detail"]
        assert (await service.http.get("/v1/tasks")).json() == {"tasks": []}


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1", "http://127.0.0.1"])
async def test_without_keys_a_page_of_another_site_is_refused(valkey: Store, origin: str) -> None:
    async with running(valkey) as service:
        answer = await service.http.post("/v1/tasks", data={"title": "x"}, headers={"origin": origin})

        assert answer.status_code == 403
        assert (await service.http.get("/v1/tasks")).json() == {"tasks": []}


async def test_this_services_own_pages_and_every_address_of_this_machine_are_let_in(valkey: Store) -> None:
    async with running(valkey) as service:
        port = service.settings.port
        for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}", "LOCALHOST", "127.0.0.1"):
            own = {"host": host, "origin": f"http://{host}"}
            assert (await service.http.post("/v1/tasks", json={"title": "x"}, headers=own)).status_code == 201, host


async def test_with_keys_a_browser_may_come_from_anywhere(valkey: Store) -> None:
    async with running(valkey, api_keys=KEYS) as service:
        headers = {**ANN, "host": "tasks.example", "origin": "https://pages.example"}

        assert (await service.http.post("/v1/tasks", json={"title": "x"}, headers=headers)).status_code == 201
