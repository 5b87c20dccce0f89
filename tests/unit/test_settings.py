"""Settings: read once, refused with what was expected and the nearest known name."""

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from duestream.errors import Misuse
from duestream.settings import Keyring, Settings, check_access, load

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def from_env(**env: str) -> Settings:
    return load(file=None, env={f"DUESTREAM_{name}": value for name, value in env.items()}, flags={})


def written(folder: Path, text: str) -> Path:
    path = folder / "duestream.toml"
    path.write_text(text)
    return path


def test_a_flag_goes_before_the_environment_before_the_file_before_the_default(tmp_path: Path) -> None:
    file = written(tmp_path, "port = 1\nhost = '::1'\nshards = 3\n")
    env = {"DUESTREAM_PORT": "2", "DUESTREAM_HOST": "localhost", "PATH": "/bin"}

    settings = load(file=file, env=env, flags={"port": 4, "host": None, "debug": None})

    assert (settings.port, settings.host, settings.shards, settings.body_limit) == (4, "localhost", 3, 16 * 1024 * 1024)


@pytest.mark.parametrize(("text", "meant"), [("true", True), ("1", True), ("false", False), ("0", False)])
def test_a_switch_is_read_from_the_environment(text: str, meant: bool) -> None:
    assert from_env(DEBUG=text).debug is meant


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("DUESTREAM_PROT", "DUESTREAM_PORT"), ("DUESTREAM_REDIS", "DUESTREAM_REDIS_URL"), ("DUESTREAM_X", "DUESTREAM_")],
)
def test_an_unknown_name_is_refused_with_the_nearest_one(name: str, nearest: str) -> None:
    with pytest.raises(Misuse, match=f"{name} is no setting; the nearest one is {nearest}"):
        load(file=None, env={name: "1"}, flags={})


def test_an_unknown_name_in_a_file_is_refused_too(tmp_path: Path) -> None:
    file = written(tmp_path, "prot = 1")

    with pytest.raises(Misuse, match="prot is no setting; the nearest one is port"):
        load(file=file, env={}, flags={})


def test_what_is_for_the_tests_and_where_the_file_is_are_no_settings() -> None:
    assert load(file=None, env={"DUESTREAM_REQUIRE": "redis", "DUESTREAM_CONFIG": "x"}, flags={}) == Settings()


def test_a_list_in_a_file_is_separated_by_spaces(tmp_path: Path) -> None:
    file = written(tmp_path, f'webhooks = ["http://a/x", "http://b/y"]\nwebhook_secret = "{SECRET}"\n')

    assert load(file=file, env={}, flags={}).webhook_urls == ["http://a/x", "http://b/y"]


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        ({"PORT": "x"}, "DUESTREAM_PORT: expected `int`"),
        ({"PORT": "65536"}, "DUESTREAM_PORT: expected 0 to 65535, got 65536"),
        ({"PORT": "-1"}, "DUESTREAM_PORT: expected 0 to 65535"),
        ({"SHARDS": "0"}, "DUESTREAM_SHARDS: expected 1 to 1024"),
        ({"SHARDS": "1.5"}, "DUESTREAM_SHARDS: expected `int`"),
        ({"BODY_LIMIT": "5"}, "DUESTREAM_BODY_LIMIT: expected 1024 to"),
        ({"WEBHOOK_ATTEMPTS": "0"}, "DUESTREAM_WEBHOOK_ATTEMPTS: expected 1 to 100"),
        ({"DEBUG": "perhaps"}, "DUESTREAM_DEBUG: expected `bool`"),
        ({"FSYNC": "never"}, "DUESTREAM_FSYNC: expected always or everysec"),
        ({"NOTICE_LEAD": "soon"}, "DUESTREAM_NOTICE_LEAD: expected a time span"),
        ({"DRAIN": "-1s"}, "DUESTREAM_DRAIN: expected a time span"),
        ({"WEBHOOK_BACKOFF": ""}, "DUESTREAM_WEBHOOK_BACKOFF: expected a time span"),
        ({"WEBHOOK_TIMEOUT": "9" * 30 + "d"}, "DUESTREAM_WEBHOOK_TIMEOUT: expected a time span"),
        ({"TIME_ZONE": "Mars/Olympus"}, "DUESTREAM_TIME_ZONE: expected a name such as"),
        ({"TIME_ZONE": "../etc/passwd"}, "DUESTREAM_TIME_ZONE: expected a name such as"),
        ({"TIME_ZONE": "Europe"}, "DUESTREAM_TIME_ZONE: expected a name such as"),
        ({"WEBHOOKS": "http://a/"}, "DUESTREAM_WEBHOOKS needs DUESTREAM_WEBHOOK_SECRET"),
        ({"WEBHOOKS": "a/b", "WEBHOOK_SECRET": SECRET}, "DUESTREAM_WEBHOOKS: expected URLs with http://"),
        ({"WEBHOOKS": "http://[", "WEBHOOK_SECRET": SECRET}, "DUESTREAM_WEBHOOKS: expected URLs with http://"),
        ({"WEBHOOKS": "http://a/", "WEBHOOK_SECRET": "whsec_%"}, "DUESTREAM_WEBHOOK_SECRET: expected whsec_"),
        ({"WEBHOOK_SECRET": "whsec_"}, "DUESTREAM_WEBHOOK_SECRET: expected whsec_"),
        ({"API_KEYS": "alice"}, "DUESTREAM_API_KEYS: expected name=key"),
        ({"API_KEYS": "alice=short"}, "keys of at least 8 characters"),
        ({"API_KEYS": "=long-enough"}, "an entry without a name"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_what_was_expected(env: dict[str, str], reason: str) -> None:
    with pytest.raises(Misuse, match=reason.replace("[", r"\[")):
        from_env(**env)


def test_a_bad_key_is_refused_without_telling_it() -> None:
    with pytest.raises(Misuse) as error:
        from_env(API_KEYS="alice=secret7")

    assert "secret7" not in str(error.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="cannot be read"):
        load(file=tmp_path / "absent.toml", env={}, flags={})
    with pytest.raises(Misuse, match="is not TOML"):
        load(file=written(tmp_path, "port ="), env={}, flags={})


def test_spans_zones_and_addresses_are_read_once_and_typed() -> None:
    settings = from_env(NOTICE_LEAD="1h", TIME_ZONE="Europe/Berlin", DRAIN="2s")

    assert (settings.lead, settings.zone, settings.drain_seconds) == (timedelta(hours=1), ZoneInfo("Europe/Berlin"), 2)
    assert (Settings().zone, Settings().url) == (None, "redis://127.0.0.1:6379")


def test_a_key_opens_for_its_owner_and_no_other_key_does() -> None:
    keyring = Keyring(" alice=wonderland-1 , bob = cheshire=cat=2,")

    assert keyring.owner("wonderland-1") == "alice"
    assert keyring.owner("cheshire=cat=2") == "bob"
    assert keyring.owner("wonderland-2") is None
    assert keyring.owner("") is None
    assert not Keyring("")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_other_hosts_are_let_in_by_keys_or_on_request_only(host: str) -> None:
    with pytest.raises(Misuse, match="there are no API keys"):
        check_access(Settings(host=host))

    check_access(Settings(host=host, api_keys="alice=wonderland"))
    check_access(Settings(host=host, insecure_no_auth=True))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_this_host_needs_no_key(host: str) -> None:
    check_access(Settings(host=host))


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("ban", "always", "expected forever, none or a time span such as 90s, 15m or 7d, got 'always'"),
        ("trusted_proxies", "proxy.example", "expected addresses or networks"),
        ("takes_per_minute", "-1", "expected 0 to"),
    ],
)
def test_settings_of_queues_that_cannot_be_are_refused(name: str, value: str, reason: str) -> None:
    with pytest.raises(Misuse, match=reason):
        load(file=None, env={f"DUESTREAM_{name.upper()}": value}, flags={})
