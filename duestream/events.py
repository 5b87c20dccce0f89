"""Events, the steps that they take an entity through, and the journal's entries that carry them."""

from collections.abc import Mapping
from typing import ClassVar

import msgspec

VERSION = 1  # of the entries' schema


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """An immutable fact. `type` is its tag on the stream: stable, in the past tense, never used again."""

    type: ClassVar[str]


class Step(msgspec.Struct, frozen=True):
    """From which statuses an event may start (words; "" is: no such entity), and to which it leads ("": gone).

    What else the journal decides with it, see `lua/append.lua`. fenced: only in the transition's attempt; begins: only
    as the next attempt; unique: only if no other living entity has its unique key; done: what made it ready is taken
    off its ready stream; ready: it is put on one; hooks: the webhook that it names is due; halts: who works on it is
    told.
    """

    start: str
    to: str
    fenced: bool = False
    begins: bool = False
    unique: bool = False
    done: bool = False
    ready: bool = False
    hooks: bool = False
    halts: bool = False

    @property
    def flags(self) -> str:
        """As `append` reads them."""
        given = (self.fenced, self.begins, self.unique, self.done, self.ready, self.hooks, self.halts)
        return "".join(flag for flag, is_given in zip("=+udrws", given, strict=True) if is_given)


Steps = Mapping[type[Event], Step]


class Origin(msgspec.Struct, frozen=True):
    """Who caused an event, when and why.

    at: as `instants.stamp`; by: an API key's name or a process's role; cause: request or parent id; trace: a W3C
    traceparent. "" where there is none.
    """

    at: str
    by: str
    cause: str = ""
    trace: str = ""


class Transition(msgspec.Struct, frozen=True):
    """One event for one entity; id "" makes a new one, rev 0 starts from any revision.

    The rest counts where its step says so. queue: of the ready stream; entry: the one there that is begun; work: what
    is put there, the event's data where it is empty.
    """

    event: Event
    id: str = ""
    rev: int = 0
    attempt: int = 0
    unique: str = ""
    queue: str = ""
    entry: str = ""
    work: bytes = b""


class Unreadable(Exception):
    """An entry that this version cannot understand; its message says why."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One entry of the journal. `data` is the event as JSON."""

    entry: str
    type: str
    id: str
    rev: int
    at: str
    by: str
    data: str
    cause: str = ""
    trace: str = ""
    v: int = VERSION


_USUAL = ["type", "id", "rev", "at", "by", "v", "data"]  # as `put` in lua/_heads.lua writes them
_CAUSED = [*_USUAL, "cause"]


def entry_of(entry: str, fields: list[str]) -> Entry:
    """The entry that a stream holds as names and values in turn. Raises Unreadable."""
    names = fields[::2]
    if names in (_CAUSED, _USUAL) and fields[11] == "1" and fields[5].isdecimal():
        rev = int(fields[5])
        if rev > 0:
            cause = fields[15] if len(names) == len(_CAUSED) else ""
            return Entry(entry, fields[1], fields[3], rev, fields[7], fields[9], fields[13], cause)
    named = dict(zip(fields[::2], fields[1::2], strict=True))
    try:
        found = Entry(
            entry=entry,
            type=named["type"],
            id=named["id"],
            rev=int(named["rev"]),
            at=named["at"],
            by=named["by"],
            data=named["data"],
            cause=named.get("cause", ""),
            trace=named.get("trace", ""),
            v=int(named["v"]),
        )
    except KeyError as missing:
        raise Unreadable(f"field {missing} is missing") from None
    except ValueError:
        raise Unreadable("fields 'rev' and 'v' must be whole numbers") from None
    if found.rev < 1 or found.v < 1:
        raise Unreadable("fields 'rev' and 'v' must be 1 or more")
    if found.v > VERSION:
        raise Unreadable(f"schema version {found.v} is newer than this program's {VERSION}")
    return found


class Events:
    """The events of one kind by their tags: encodes and decodes their data."""

    def __init__(self, *types: type[Event]) -> None:
        self._decoders = {each.type: msgspec.json.Decoder(each) for each in types}

    def decode(self, entry: Entry) -> Event:
        """Raises Unreadable."""
        decoder = self._decoders.get(entry.type)
        if decoder is None:
            raise Unreadable(f"type {entry.type!r} is not known")
        try:
            event: Event = decoder.decode(entry.data)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Unreadable(f"field 'data': {error}") from None
        return event


_encoder = msgspec.json.Encoder()


def data_of(event: Event) -> bytes:
    """The event as the JSON that an entry's `data` holds."""
    return _encoder.encode(event)
