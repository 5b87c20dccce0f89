"""Turns: visitors take tokens of a queue, wait, are called, claim, and are served.

    (absent) --taken--> waiting --called--> called --claimed--> serving --served--> over
    waiting, called --left--> over              called --lapsed--> over

Tokens read A00 … Z99, AA00 …; the labels of tokens that are over are given again, the smallest first, so a token's id
is `<queue>/<label>/<number>`, and the number is never given again. A queue's id is its name, a ban's
`@<address>/<number>`. Decisions are `lua/turn.lua`'s; what is due is part of the state: a token's deadline while it is
called or served, and the end of a ban.
"""

import re
from collections.abc import Iterable, Sequence
from typing import ClassVar

import msgspec

from duestream import instants
from duestream.changes import Change, event_field
from duestream.errors import Misuse
from duestream.events import Entry, Event, Events, Unreadable

WAITING, CALLED, SERVING = "waiting", "called", "serving"
SERVED, LAPSED, LEFT = "served", "lapsed", "left"
LIVE = (WAITING, CALLED, SERVING)
QUEUES, BANS = "queues", "bans"  # lists, beside one per queue and status
FIRST_QUEUE = "cats"  # exists from the start

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
LABEL = re.compile(r"[A-Z]{1,6}[0-9]{2}")
_TOKEN = re.compile(rf"({NAME.pattern})/({LABEL.pattern})/(\d{{1,15}})")
_BAN = re.compile(r"@(\S+)/(\d{1,15})")


class QueueSettings(msgspec.Struct, frozen=True):
    """How a queue works.

    counters: how many are served at once; codes: whether a claim needs the token's code too; max_waiting: how many may
    wait; ban: of who claims a token that was never given, `forever`, `none` or a span; "": as the service has it.
    """

    claim_seconds: float = 60.0
    serve_seconds: float = 60.0
    counters: int = 1
    codes: bool = False
    max_waiting: int = 100_000
    ban: str = ""


class QueueConfigured(QueueSettings, Event, frozen=True, omit_defaults=False):
    """Says everything, so that it means the same when defaults change."""

    type: ClassVar[str] = "queue.configured"


class _TokenEvent(Event, frozen=True):
    """waiting: how many wait after it."""

    label: str
    waiting: int = 0


class TokenTaken(_TokenEvent, frozen=True):
    type: ClassVar[str] = "token.taken"


class TokenCalled(_TokenEvent, frozen=True, kw_only=True):
    """expires_at: until when it can be claimed, as `instants.stamp`."""

    type: ClassVar[str] = "token.called"
    expires_at: str


class TokenClaimed(_TokenEvent, frozen=True, kw_only=True):
    """expires_at: until when it is served, as `instants.stamp`."""

    type: ClassVar[str] = "token.claimed"
    expires_at: str


class TokenServed(_TokenEvent, frozen=True):
    type: ClassVar[str] = "token.served"


class TokenLapsed(_TokenEvent, frozen=True):
    """It was called, and nobody came."""

    type: ClassVar[str] = "token.lapsed"


class TokenLeft(_TokenEvent, frozen=True):
    """Its visitor did not want to wait any more."""

    type: ClassVar[str] = "token.left"


class ClientBanned(Event, frozen=True):
    """ends_at: as `instants.stamp`, "": never."""

    type: ClassVar[str] = "client.banned"
    address: str
    reason: str
    ends_at: str = ""


class ClientUnbanned(Event, frozen=True):
    type: ClassVar[str] = "client.unbanned"
    address: str


STATUSES: dict[type[Event], str] = {
    TokenTaken: WAITING,
    TokenCalled: CALLED,
    TokenClaimed: SERVING,
    TokenServed: SERVED,
    TokenLapsed: LAPSED,
    TokenLeft: LEFT,
}
TYPES: tuple[type[Event], ...] = (QueueConfigured, *STATUSES, ClientBanned, ClientUnbanned)
EVENTS = Events(*TYPES)
STATUS_OF = {kind.type: status for kind, status in STATUSES.items()}  # by the event's type


def place(queue: str, status: str) -> str:
    """The name of the list of a queue's tokens in a status."""
    return f"{queue}:{status}"


def places(changes: Iterable[Change]) -> Sequence[str]:
    """The lists in which these may stand, or have stood."""
    queues = dict.fromkeys(change.id.partition("/")[0] for change in changes if change.id[0] != "@")
    return [QUEUES, BANS, *(place(queue, status) for queue in queues for status in LIVE)]


def token_in(id: str) -> tuple[str, str, int]:
    """Queue, label and number of a token's id."""
    queue, label, number = id.split("/")
    return queue, label, int(number)


def ban_ms(text: str) -> int:
    """How long a ban lasts: ms, -1 for ever, 0 none. Raises Misuse."""
    if text in ("forever", "none"):
        return -1 if text == "forever" else 0
    try:
        return max(1, int(instants.span(text).total_seconds() * 1000))
    except Misuse:
        raise Misuse(f"expected forever, none or a time span such as 90s, 15m or 7d, got {text!r}") from None


def eta(before: int, counters: int, turns: Sequence[int]) -> tuple[int, int] | None:
    """Seconds until a token is called, at least and at most, that has so many waiting before it.

    turns: ms that a counter was taken by each of the last ones who were called.
    """
    if not turns:
        return None
    ordered = sorted(turns)
    low, high = ordered[len(ordered) // 4], ordered[-1 - len(ordered) // 4]
    rounds = before // counters
    return rounds * low // 1000, -(-(rounds + 1) * high // 1000)


def project(entry: Entry) -> Change:
    """What an entry of the tokens' journal does to the read models. Raises Unreadable."""
    event = EVENTS.decode(entry)
    try:
        instants.check_stamp(entry.at)
        if type(event) in STATUSES:
            return _token(entry, event)
        return _queue(entry) if isinstance(event, QueueConfigured) else _ban(entry, event)
    except ValueError as error:
        raise Unreadable(f"field 'at' or a time in 'data': {error}") from None


def _token(entry: Entry, event: Event) -> Change:
    found = _TOKEN.fullmatch(entry.id)
    if found is None:
        raise Unreadable(f"field 'id' must name a token, and is {entry.id!r}")
    status = STATUSES[type(event)]
    facts = {event_field(entry.rev): entry.entry}
    if status == WAITING:
        facts["taken_at"] = entry.at
    if status not in LIVE:
        facts["ended_at"], facts["ended"] = entry.at, status
        gone: dict[str, str | None] = {"place": None, "expires_at": None}
        return Change(id=entry.id, rev=entry.rev, facts=facts, state=gone, gone=True)
    expires_at = event.expires_at if isinstance(event, (TokenCalled, TokenClaimed)) else None
    due = None if expires_at is None else instants.ms(expires_at)
    where = place(found[1], status)
    return Change(
        id=entry.id,
        rev=entry.rev,
        facts=facts,
        state={"place": where, "expires_at": expires_at},
        place=where,
        number=int(found[3]) if due is None else due,
        due=due,
    )


def _queue(entry: Entry) -> Change:
    if not NAME.fullmatch(entry.id):
        raise Unreadable(f"field 'id' must name a queue, and is {entry.id!r}")
    facts = {event_field(entry.rev): entry.entry}
    return Change(entry.id, entry.rev, facts, {"place": QUEUES, "settings": entry.data}, place=QUEUES)


def _ban(entry: Entry, event: Event) -> Change:
    found = _BAN.fullmatch(entry.id)
    if found is None:
        raise Unreadable(f"field 'id' must name a ban, and is {entry.id!r}")
    facts = {event_field(entry.rev): entry.entry}
    if not isinstance(event, ClientBanned):
        return Change(entry.id, entry.rev, facts, {"place": None}, gone=True)
    facts |= {"address": event.address, "reason": event.reason, "since": entry.at, "ends_at": event.ends_at}
    due = instants.ms(event.ends_at) if event.ends_at else None
    return Change(entry.id, entry.rev, facts, {"place": BANS}, place=BANS, number=int(found[2]), due=due)
