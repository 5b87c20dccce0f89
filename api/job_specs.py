"""What a client asks of a job, checked, as the event that takes it in."""

import math
import re
from datetime import datetime, timedelta
from functools import lru_cache
from urllib.parse import urlsplit

from msgspec import UNSET, Raw

from api.job_types import CONTAINER_OPTIONS, LARGEST_PAYLOAD, JobTime, NewJob
from api.problems import Problem, invalid
from duestream import instants
from duestream.containers import ContainerSpec, check, is_allowed, is_reference
from duestream.errors import Misuse
from duestream.jobs import DEFAULT_QUEUE, JobScheduled, JobSpec, JobSubmitted
from duestream.settings import QUEUE, Settings

LONGEST = timedelta(days=3650)  # of timeouts and pauses
_UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_MEMORY = re.compile(r"([0-9]{1,15})([bkmgt]?)", re.IGNORECASE)
_NO_OPTIONS = (None,) * len(CONTAINER_OPTIONS)
_DEFAULT = JobSpec()  # what equals its own values to the object is left out of events


class Unfit(Exception):
    """What was asked for cannot be: which option it is, and why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message

    def problem(self, at: str = "") -> Problem:
        """at: where in the body the job stands, as `[3].`"""
        return invalid(f"{at}{self.field}", self.message)


class Specs:
    """Makes events of what clients ask for, by the settings of this service."""

    def __init__(self, settings: Settings) -> None:
        self._zone = settings.zone
        self._signs = bool(settings.webhook_secret)
        patterns = settings.image_patterns
        self._image_problem = lru_cache(1024)(lambda image: image_problem(image, patterns))

    def event(self, new: NewJob, at: str) -> JobSubmitted | JobScheduled:
        """A job that is asked for at a time (as `instants.stamp`). Raises Unfit."""
        if new.image is not None:
            container, payload = self._container(new), _DEFAULT.payload
        else:
            container, payload = None, _payload(new)
        run_at = self.run_at(new, at)
        deadline = webhook = ""
        if new.start_deadline is not None:
            deadline = self._deadline(new.start_deadline, run_at or at)
        if new.webhook is not None:
            webhook = self._webhook(new.webhook)
        queue = DEFAULT_QUEUE if new.queue is None else new.queue
        if queue is not DEFAULT_QUEUE and not QUEUE.fullmatch(queue):
            raise Unfit("queue", "expected 1 to 64 letters, digits, dots, dashes and underscores")
        fields = (
            new.handler or "",
            payload,
            container,
            queue,
            _DEFAULT.timeout if new.timeout is None else seconds(new.timeout, "timeout"),
            new.retries or 0,
            _DEFAULT.backoff if new.backoff is None else seconds(new.backoff, "backoff"),
            deadline,
            new.unique or "",
            webhook,
        )
        if run_at:
            return JobScheduled(*fields, run_at=run_at)
        return JobSubmitted(*fields)

    def run_at(self, new: NewJob | JobTime, at: str) -> str:
        """When a job is to run, as `instants.exact`; "" for at once. Raises Unfit."""
        if new.run_at is not None:
            if new.delay is not None:
                raise Unfit("run_at", "expected either run_at or delay")
            return instants.exact(self._instant(new.run_at, "run_at"))
        if new.delay is None:
            return ""
        delay = span(new.delay, "delay")
        return _later(at, delay, "delay") if delay else ""

    def _instant(self, text: str, field: str) -> datetime:
        try:
            return instants.parse(text, self._zone)
        except ValueError as error:
            raise Unfit(field, str(error)) from None

    def _deadline(self, given: str | int | float, start: str) -> str:
        try:
            after = span(given, "start_deadline")
        except Unfit:
            if not isinstance(given, str):
                raise
            deadline = instants.exact(self._instant(given, "start_deadline"))
        else:
            deadline = _later(start, after, "start_deadline")
        if instants.ms(deadline) < instants.ms(start):
            raise Unfit("start_deadline", f"expected a time that is not before it is to run, {instants.shown(start)}")
        return deadline

    def _webhook(self, url: str) -> str:
        if not self._signs:
            raise Unfit("webhook", "this service has no DUESTREAM_WEBHOOK_SECRET to sign it with")
        try:
            parts = urlsplit(url)
            is_web = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_web = False
        if not is_web or not url.isprintable() or " " in url:
            raise Unfit("webhook", "expected a URL with http:// or https://")
        return url

    def _container(self, new: NewJob) -> ContainerSpec:
        if new.handler is not None:
            raise Unfit("image", "expected either an image or a handler, not both")
        if new.payload is not UNSET:
            raise Unfit("payload", "is an option of handlers; this job has an image")
        assert new.image is not None
        problem = self._image_problem(new.image)
        if problem:
            raise Unfit("image", problem)
        spec = ContainerSpec(
            image=new.image,
            command=new.command,
            env=new.env or {},
            workdir=new.workdir or "",
            user=new.user or "",
            memory=0 if new.memory is None else memory(new.memory),
            cpus=new.cpus or 0.0,
            network=new.network or "",
            pull=new.pull or "missing",
        )
        try:
            check(spec)
        except Misuse as error:
            field, found, message = str(error).partition(": ")
            raise (Unfit(field, message) if found else Unfit("body", field)) from None
        return spec


def _payload(new: NewJob) -> Raw:
    if new.handler is None:
        raise Unfit("handler", "expected either a handler or an image, got neither")
    options = (new.command, new.env, new.workdir, new.user, new.memory, new.cpus, new.network, new.pull)
    if options != _NO_OPTIONS:
        name = next(name for name, option in zip(CONTAINER_OPTIONS, options, strict=True) if option is not None)
        raise Unfit(name, "is an option of containers; this job has a handler")
    if not isinstance(new.payload, Raw):
        return _DEFAULT.payload
    if len(new.payload) > LARGEST_PAYLOAD:
        raise Unfit("payload", f"expected at most {LARGEST_PAYLOAD:,} bytes of JSON, got {len(new.payload):,}")
    return new.payload


def image_problem(image: str, patterns: list[str]) -> str:
    """Why an image cannot be run here; "" where it can."""
    if not is_reference(image):
        return f"expected an image's name such as busybox:1.36, got {image!r}"
    return "" if is_allowed(image, patterns) else f"{image!r} is not among the images that may be run"


def memory(given: int | str) -> int:
    """Bytes. Raises Unfit."""
    if isinstance(given, int):
        size = given
    else:
        match = _MEMORY.fullmatch(given.strip())
        if not match:
            raise Unfit("memory", f"expected a number of bytes, or such as 64m or 1g, got {given!r}")
        size = int(match.group(1)) * _UNITS[match.group(2).lower()]
    if not 0 < size < 2**60:
        raise Unfit("memory", f"expected more than 0 bytes, and less than {2**60}, got {size}")
    return size


def seconds(given: str | int | float, field: str) -> float:
    """A span that is not too long. Raises Unfit."""
    found = span(given, field)
    if found > LONGEST:
        raise Unfit(field, f"expected at most {LONGEST.days} days")
    return found.total_seconds()


@lru_cache(1024)
def span(given: str | int | float, field: str) -> timedelta:
    """Text such as 2m or 2h30m, or a number of seconds. Raises Unfit."""
    try:
        if isinstance(given, str):
            return instants.span(given)
        if given >= 0 and math.isfinite(given):
            return timedelta(seconds=given)
    except Misuse as error:
        raise Unfit(field, str(error)) from None
    except OverflowError:
        pass
    raise Unfit(field, f"expected a time span such as 90s, 15m, 1h30m or 7d, or seconds, got {given!r}")


@lru_cache(64)  # most jobs of a batch have the same delay
def _later(start: str, span: timedelta, field: str) -> str:
    """`start + span`, as `instants.exact`; start: as stored. Raises Unfit."""
    try:
        return instants.exact(datetime.fromisoformat(start) + span)
    except OverflowError:
        raise Unfit(field, "expected a time before the year 10000") from None
