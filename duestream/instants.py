"""Points in time and spans of it: text as RFC 3339 in UTC, numbers as ms since the epoch.

The two texts have fixed widths, so that they sort as text: `stamp` (ms, for when a thing happened) and
`exact` (µs, for what a client gave).
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

import msgspec

from duestream.errors import Misuse

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST = datetime(1, 1, 1, tzinfo=UTC)

ISO_8601 = (
    r"^\d{4}-\d{2}-\d{2}([Tt ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?([Zz]|[+-]\d{2}(:?\d{2})?)?)?$"  # a profile of it
)
_ISO_8601 = re.compile(ISO_8601)
_LENGTHS = (len("2026-11-22T12:00:00.123Z"), len("2026-11-22T12:00:00.123456Z"))
_WHOLE = len('"2026-11-22T12:00:00.000001Z"')
_encode = msgspec.json.Encoder().encode
_NUMBER = re.compile(r"^(\d+(?:\.\d+)?)$")
_SPAN = re.compile(r"^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?$")


def stamp(at: datetime) -> str:
    """`2026-11-22T12:00:00.123Z`"""
    return _utc(at).isoformat(timespec="milliseconds")[:-6] + "Z"


@lru_cache(maxsize=64)  # many requests share a millisecond
def stamp_ms(at: int) -> str:
    """The same for ms since the epoch."""
    return stamp(EPOCH + timedelta(milliseconds=at))


def exact(at: datetime) -> str:
    """`2026-11-22T12:00:00.000000Z`"""
    text = _encode(_utc(at)).decode()  # in quotes; a fifth of the time that `isoformat` takes
    return text[1:-1] if len(text) == _WHOLE else text[1:20] + ".000000Z"


def _utc(at: datetime) -> datetime:
    return at if at.tzinfo is UTC else at.astimezone(UTC)


def shown(text: str) -> str:
    """A stored instant as clients see it: without a fraction that says nothing."""
    if text.endswith(".000000Z"):
        return text[:-8] + "Z"
    return text[:-4] + "Z" if len(text) == 27 and text.endswith("000Z") else text


def stored(text: str) -> datetime:
    """What a `stamp` or an `exact` says. Raises ValueError."""
    if len(text) not in _LENGTHS or text[7] != "-" or text[10] != "T" or text[19] != "." or text[-1] != "Z":
        raise ValueError(f"expected an instant in UTC, got {text!r}")  # `fromisoformat` takes other forms too
    return datetime.fromisoformat(text)


def ms(text: str) -> int:
    """ms since the epoch of a stored instant, rounded down. Raises ValueError."""
    since = stored(text) - EPOCH
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


ms_of_stamp = lru_cache(maxsize=256)(ms)  # the same for stamps: many entries of a batch share one


def check(text: str) -> str:
    """The text, if it is a stored instant. Raises ValueError."""
    stored(text)
    return text


check_stamp = lru_cache(maxsize=256)(check)


def parse(text: str, zone: tzinfo | None) -> datetime:
    """An ISO 8601 date and time; what has no offset is in `zone`, or the machine's own where that is None.

    Raises ValueError, saying what was expected.
    """
    if not _ISO_8601.match(text):
        raise ValueError("expected an ISO 8601 date and time such as 2026-11-22T18:30:00+01:00")
    try:
        at = datetime.fromisoformat(text.upper().replace(",", "."))
        if at.tzinfo is None:
            at = at.astimezone() if zone is None else at.replace(tzinfo=zone)
        return at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"expected a date and time that exists, from year 1 to 9999 in UTC: {error}") from None


def before(at: datetime, span: timedelta) -> datetime:
    """`at - span`, not before year 1."""
    return at - span if at - EARLIEST > span else EARLIEST


def span(text: str) -> timedelta:
    """`90`, `90s`, `15m`, `1h30m`, `7d`: seconds where no unit is given. Raises Misuse."""
    match = _SPAN.match(_NUMBER.sub(r"\1s", text.strip().lower()))
    if not text.strip() or not match:
        raise Misuse(f"expected a time span such as 90s, 15m, 1h30m or 7d, got {text!r}")
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    try:
        return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        raise Misuse(f"expected a time span of at most {timedelta.max.days} days, got {text!r}") from None
