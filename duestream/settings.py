"""Settings: one frozen struct, read once from a TOML file, the environment and the command line, then passed down."""

import base64
import difflib
import hmac
import ipaddress
import re
import tomllib
from collections.abc import Mapping
from datetime import timedelta, tzinfo
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from duestream import instants
from duestream.addresses import Network, networks
from duestream.errors import Misuse
from duestream.queues import ban_ms

PREFIX = "DUESTREAM_"
SPANS = (
    "notice_lead", "webhook_backoff", "webhook_timeout", "picture_timeout", "drain", "container_grace", "job_lease",
    "job_retention",
)  # fmt: skip
QUEUE = re.compile(r"^[A-Za-z0-9_.-]{1,64}$")
NOT_SETTINGS = {"DUESTREAM_REQUIRE", "DUESTREAM_CONFIG"}  # for the tests; where the file is


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What can be set. In a file by these names, in the environment as DUESTREAM_<NAME>."""

    redis_url: str = ""  # redis://, rediss:// or unix://; "": `duestream up` embeds a server, the rest uses localhost
    shards: int = 1  # units of scale-out; fixed once data is written
    data_dir: str = "duestream-data"  # of the embedded server
    fsync: str = "always"  # of the embedded server: always (nothing accepted is lost), everysec
    host: str = "127.0.0.1"
    port: int = 8888
    api_keys: str = ""  # name=key,name=key
    insecure_no_auth: bool = False
    time_zone: str = ""  # of times given without an offset, as Europe/Berlin; "": the machine's
    notice_lead: str = "15m"  # how long before a task's expiry its notice is due
    body_limit: int = 16 * 1024 * 1024  # bytes
    webhooks: str = ""  # URLs that get every notice, separated by spaces
    webhook_secret: str = ""  # whsec_…, signs them
    webhook_attempts: int = 8  # then the delivery is put aside
    webhook_backoff: str = "5s"  # before the second attempt; five times longer before each further one
    webhook_timeout: str = "10s"
    pictures: str = ""  # where visitors' pictures are from: a folder, an image API's URL; "": kittens, drawn by us
    picture_timeout: str = "3s"  # how long an image API may take; then a kitten is drawn
    takes_per_minute: int = 120  # tokens that one address may take; 0: any number
    ban: str = "forever"  # of who claims a token that was never given: forever, none, or a span
    trusted_proxies: str = ""  # addresses and networks whose X-Forwarded-For counts, separated by commas
    public_queues: bool = False  # visitors need no API key to take turns
    handlers: str = ""  # modules with handlers of payload jobs, separated by commas, as my_app.jobs
    concurrency: int = 1000  # handlers that one runner runs at once
    threads: int = 32  # of them those that are plain functions
    containers: int = 10  # containers that one runner runs at once
    queues: str = "default"  # which a runner serves, separated by commas
    images: str = "*"  # that may be run, as glob patterns separated by commas
    container_grace: str = "10s"  # between SIGTERM and SIGKILL
    job_lease: str = "5s"  # a runner that gives no sign of life for so long loses its jobs to others
    job_losses: int = 3  # runners that a job may lose and be started again
    job_retention: str = "7d"  # how long a job is kept once it is over; 0: for ever
    log_limit: int = 1024 * 1024  # bytes of a job's log that are kept: the last ones
    drain: str = "10s"  # how long a stopping process may take to finish what it has begun
    debug: bool = False  # log everything, also what went wrong inside, and tell it to clients
    release: bool = False  # log as JSON lines

    @property
    def lead(self) -> timedelta:
        return instants.span(self.notice_lead)

    @property
    def zone(self) -> tzinfo | None:
        """None: the machine's own."""
        return ZoneInfo(self.time_zone) if self.time_zone else None

    @property
    def drain_seconds(self) -> float:
        return instants.span(self.drain).total_seconds()

    @property
    def keep(self) -> int:
        """Seconds until a job that is over is forgotten, 0: never."""
        return int(instants.span(self.job_retention).total_seconds())

    @property
    def queue_names(self) -> list[str]:
        return list(dict.fromkeys(filter(None, (name.strip() for name in self.queues.split(",")))))

    @property
    def image_patterns(self) -> list[str]:
        return [pattern.strip() for pattern in self.images.split(",") if pattern.strip()]

    @property
    def handler_modules(self) -> list[str]:
        return [name.strip() for name in self.handlers.split(",") if name.strip()]

    @property
    def url(self) -> str:
        return self.redis_url or "redis://127.0.0.1:6379"

    @property
    def webhook_urls(self) -> list[str]:
        return self.webhooks.split()

    @property
    def pictures_url(self) -> str:
        """An image API's URL; "": pictures are from elsewhere."""
        return self.pictures if "://" in self.pictures else ""

    @property
    def proxies(self) -> list[Network]:
        """Whose X-Forwarded-For counts."""
        return networks(self.trusted_proxies)

    @property
    def keyring(self) -> "Keyring":
        return Keyring(self.api_keys)


class Keyring:
    """API keys, and whose they are."""

    def __init__(self, text: str) -> None:
        self._names: list[tuple[bytes, str]] = []
        for pair in filter(None, (part.strip() for part in text.split(","))):
            name, found, key = pair.partition("=")
            if not found or not name.strip() or len(key.strip()) < 8:
                raise Misuse(
                    "DUESTREAM_API_KEYS: expected name=key,name=key with keys of at least 8 characters, "
                    f"and {name.strip() or 'an entry without a name'!r} is not that"
                )
            self._names.append((sha256(key.strip().encode()).digest(), name.strip()))

    def __bool__(self) -> bool:
        return bool(self._names)

    def owner(self, key: str) -> str | None:
        """The name that goes with a key, None where there is none; the time this takes says nothing of the keys."""
        digest = sha256(key.encode()).digest()
        owner = None
        for known, name in self._names:
            if hmac.compare_digest(known, digest):
                owner = name
        return owner


def load(*, file: Path | None, env: Mapping[str, str], flags: Mapping[str, Any]) -> Settings:
    """The settings: what a flag says, else the environment, else the file, else the default. Raises Misuse."""
    given: dict[str, Any] = {}
    if file is not None:
        try:
            read = tomllib.loads(file.read_text())
        except OSError as error:
            raise Misuse(f"--config: {file} cannot be read: {error.strerror}") from None
        except tomllib.TOMLDecodeError as error:
            raise Misuse(f"--config: {file} is not TOML: {error}") from None
        for name, value in read.items():
            given[_known(name, f"{file}: {name}", "")] = " ".join(value) if isinstance(value, list) else value
    for variable, value in env.items():
        if variable.startswith(PREFIX) and variable not in NOT_SETTINGS:
            given[_known(variable[len(PREFIX) :].lower(), variable, PREFIX)] = value
    given.update({name: value for name, value in flags.items() if value is not None})
    converted = {name: _converted(name, value) for name, value in given.items()}
    settings = Settings(**converted)
    _check(settings)
    return settings


def _known(name: str, shown: str, prefix: str) -> str:
    if name in Settings.__struct_fields__:
        return name
    near = difflib.get_close_matches(name, Settings.__struct_fields__, n=1, cutoff=0)
    nearest = f"{prefix}{near[0].upper()}" if prefix else near[0]
    raise Misuse(f"{shown} is no setting; the nearest one is {nearest}")


def _converted(name: str, value: Any) -> Any:
    kinds = {field.name: field.type for field in msgspec.structs.fields(Settings)}
    try:
        return msgspec.convert(value, kinds[name], strict=not isinstance(value, str))
    except msgspec.ValidationError as error:
        raise Misuse(f"{PREFIX}{name.upper()}: {str(error).lower()}, got {value!r}") from None


def _check(settings: Settings) -> None:
    for name in SPANS:
        try:
            instants.span(getattr(settings, name))
        except Misuse as error:
            raise Misuse(f"{PREFIX}{name.upper()}: {error}") from None
    try:
        settings.zone  # noqa: B018
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of zones
        raise Misuse(
            f"DUESTREAM_TIME_ZONE: expected a name such as Europe/Berlin, got {settings.time_zone!r}"
        ) from None
    for name, least, most in (
        ("shards", 1, 1024),
        ("port", 0, 65535),
        ("body_limit", 1024, 2**31),
        ("webhook_attempts", 1, 100),
        ("takes_per_minute", 0, 10_000_000),
        ("concurrency", 0, 100_000),
        ("threads", 1, 1000),
        ("containers", 0, 1000),
        ("job_losses", 0, 1000),
        ("log_limit", 1024, 2**30),
    ):
        if not least <= getattr(settings, name) <= most:
            raise Misuse(f"{PREFIX}{name.upper()}: expected {least} to {most}, got {getattr(settings, name)}")
    if settings.fsync not in ("always", "everysec"):
        raise Misuse(f"DUESTREAM_FSYNC: expected always or everysec, got {settings.fsync!r}")
    _check_webhooks(settings)
    _check_pictures(settings)
    _check_queues(settings)
    settings.keyring  # noqa: B018


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _check_pictures(settings: Settings) -> None:
    if settings.pictures_url and not _is_web(settings.pictures_url):
        raise Misuse(
            f"DUESTREAM_PICTURES: expected a folder, or a URL with http:// or https://, got {settings.pictures!r}"
        )
    if not instants.span(settings.picture_timeout):
        raise Misuse("DUESTREAM_PICTURE_TIMEOUT: expected more than no time at all")


def _check_queues(settings: Settings) -> None:
    try:
        ban_ms(settings.ban)
    except Misuse as error:
        raise Misuse(f"DUESTREAM_BAN: {error}") from None
    try:
        settings.proxies  # noqa: B018
    except ValueError as error:
        raise Misuse(f"DUESTREAM_TRUSTED_PROXIES: expected addresses or networks: {error}") from None


def _check_webhooks(settings: Settings) -> None:
    for url in settings.webhook_urls:
        if not _is_web(url):
            raise Misuse(f"DUESTREAM_WEBHOOKS: expected URLs with http:// or https://, got {url!r}")
    if settings.webhooks and not settings.webhook_secret:
        raise Misuse("DUESTREAM_WEBHOOKS needs DUESTREAM_WEBHOOK_SECRET, which signs what is sent")
    try:
        secret = base64.b64decode(settings.webhook_secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        secret = b""
    if settings.webhook_secret and not secret:
        raise Misuse("DUESTREAM_WEBHOOK_SECRET: expected whsec_ and base64, as Standard Webhooks has it")


def check_access(settings: Settings) -> None:
    """Refuse to serve other hosts without API keys. Raises Misuse."""
    if settings.keyring or settings.insecure_no_auth or _is_loopback(settings.host):
        return
    raise Misuse(
        f"listening on {settings.host} lets other hosts in, and there are no API keys: "
        "set DUESTREAM_API_KEYS (name=key,name=key), or say --insecure-no-auth"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
