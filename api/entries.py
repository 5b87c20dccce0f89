"""Entries of the journal as clients see them: in a history, and as server-sent events."""

import msgspec

from duestream.events import Entry
from duestream.keys import Kind


class EventView(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event. event: its id on the stream; data: what it says, by its type."""

    event: str
    type: str
    rev: int
    at: str
    by: str
    data: msgspec.Raw
    cause: str = ""
    trace: str = ""


class JournalEvent(EventView, frozen=True, omit_defaults=True, kw_only=True):
    """One event of any entity: what the `data` of a server-sent event holds. id: of the entity, * for all."""

    kind: str
    id: str


def event_view(entry: Entry) -> EventView:
    """An entry in its entity's history."""
    return EventView(
        event=entry.entry,
        type=entry.type,
        rev=entry.rev,
        at=entry.at,
        by=entry.by,
        data=msgspec.Raw(entry.data.encode()),
        cause=entry.cause,
        trace=entry.trace,
    )


def journal_event(kind: Kind, entry: Entry) -> JournalEvent:
    """An entry among those of all entities."""
    return JournalEvent(
        kind=kind,
        id=entry.id,
        event=entry.entry,
        type=entry.type,
        rev=entry.rev,
        at=entry.at,
        by=entry.by,
        data=msgspec.Raw(entry.data.encode()),
        cause=entry.cause,
        trace=entry.trace,
    )
