"""Tasks: a title, perhaps a description, perhaps a time at which they expire, of which notice is given before.

    (absent) --created--> open --updated, expiring--> open --deleted--> (absent)

`task.expiring` is the notice. The time at which it falls due is part of the task's state, so that the journal alone
says what is due: an event that sets another expiry arms it, one that keeps the expiry keeps it as it is, and the
notice itself disarms it.
"""

from datetime import datetime, timedelta
from typing import ClassVar

import msgspec

from duestream import instants
from duestream.changes import Change, Cleared, event_field
from duestream.events import Entry, Event, Events, Step, Steps, Unreadable

OPEN = "open"


class TaskCreated(Event, frozen=True):
    """expiry_dt, notice_dt: as `instants.exact`, None: never."""

    type: ClassVar[str] = "task.created"
    title: str
    description: str | None = None
    expiry_dt: str | None = None
    notice_dt: str | None = None


class TaskUpdated(Event, frozen=True):
    """The whole state after the update."""

    type: ClassVar[str] = "task.updated"
    title: str
    description: str | None = None
    expiry_dt: str | None = None
    notice_dt: str | None = None


class TaskExpiring(Event, frozen=True):
    """Notice was given. The whole state, unchanged but for notice_dt; `due_dt` is when it fell due."""

    type: ClassVar[str] = "task.expiring"
    title: str
    expiry_dt: str
    update_dt: str
    notice: str
    due_dt: str
    description: str | None = None


class TaskDeleted(Event, frozen=True):
    type: ClassVar[str] = "task.deleted"


class TasksCleared(Event, frozen=True):
    """All tasks with ids up to `through` were deleted; `count` of them were there."""

    type: ClassVar[str] = "tasks.cleared"
    through: int
    count: int = 0


STEPS: Steps = {
    TaskCreated: Step(start="", to=OPEN),
    TaskUpdated: Step(start=OPEN, to=OPEN),
    TaskExpiring: Step(start=OPEN, to=OPEN),
    TaskDeleted: Step(start=OPEN, to=""),
}
EVENTS = Events(TaskCreated, TaskUpdated, TaskExpiring, TaskDeleted, TasksCleared)
_STATEFUL = (TaskCreated, TaskUpdated, TaskExpiring)

FIELDS = ("rev", "state", "create_dt")  # of the read model; `state` is a TaskState as JSON
LONGEST_ID = 16  # digits; the score of a sorted set is exact up to 2**53


class Task(msgspec.Struct, frozen=True):
    """A task as stored. Times as text, see `instants`; notice_dt None: no notice is outstanding."""

    id: int
    rev: int
    title: str
    description: str | None
    expiry_dt: str | None
    create_dt: str
    update_dt: str
    notice_dt: str | None


class TaskState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of a task changes: one field of its read model, so that projecting an event costs little."""

    title: str
    update_dt: str
    description: str | None = None
    expiry_dt: str | None = None
    notice_dt: str | None = None


_encode_state = msgspec.json.Encoder().encode
_decode_state = msgspec.json.Decoder(TaskState).decode


class Edit(msgspec.Struct, frozen=True):
    """What a client wants a task to be: UNSET leaves a field as it is."""

    title: str | msgspec.UnsetType = msgspec.UNSET
    description: str | None | msgspec.UnsetType = msgspec.UNSET
    expiry_dt: datetime | None | msgspec.UnsetType = msgspec.UNSET


def create(*, title: str, description: str | None, expiry_dt: datetime | None, lead: timedelta) -> TaskCreated:
    """A new task, with notice due `lead` before its expiry."""
    expiry, notice = arm(expiry_dt, lead)
    return TaskCreated(title=title, description=description, expiry_dt=expiry, notice_dt=notice)


def update(task: Task, edit: Edit, lead: timedelta) -> TaskUpdated:
    """The task after an edit. Another expiry arms the notice again, the same one leaves it as it is."""
    expiry, notice = task.expiry_dt, task.notice_dt
    if edit.expiry_dt is not msgspec.UNSET:
        asked, armed = arm(edit.expiry_dt, lead)
        if asked != expiry:
            expiry, notice = asked, armed
    return TaskUpdated(
        title=task.title if edit.title is msgspec.UNSET else edit.title,
        description=task.description if edit.description is msgspec.UNSET else edit.description,
        expiry_dt=expiry,
        notice_dt=notice,
    )


def arm(expiry_dt: datetime | None, lead: timedelta) -> tuple[str | None, str | None]:
    """An expiry and when its notice is due, as stored."""
    if expiry_dt is None:
        return None, None
    return instants.exact(expiry_dt), instants.exact(instants.before(expiry_dt, lead))


def expiring(task: Task, now_ms: int) -> TaskExpiring | None:
    """The notice for a task, as of now; None when none is outstanding."""
    if task.expiry_dt is None or task.notice_dt is None:
        return None
    when = "will be expired" if instants.ms(task.expiry_dt) > now_ms else "is expired already"
    return TaskExpiring(
        title=task.title,
        description=task.description,
        expiry_dt=task.expiry_dt,
        update_dt=task.update_dt,
        due_dt=task.notice_dt,
        notice=f'Your task (id:{task.id}, title:"{task.title}") {when} at {instants.shown(task.expiry_dt)}!',
    )


def project(entry: Entry) -> Change | Cleared:
    """What an entry of the tasks' journal does to the read models. Raises Unreadable."""
    event = EVENTS.decode(entry)
    if type(event) is TasksCleared:
        return Cleared(through=event.through)
    if not entry.id.isdecimal() or len(entry.id) > LONGEST_ID or entry.id != str(number := int(entry.id)):
        raise Unreadable(f"field 'id' must be a whole number, and is {entry.id!r}")
    try:
        return _change(entry, number, event)
    except ValueError as error:
        raise Unreadable(f"field 'at' or a time in 'data': {error}") from None


def _change(entry: Entry, number: int, event: Event) -> Change:
    at = instants.check_stamp(entry.at)
    facts = {event_field(entry.rev): entry.entry}
    if type(event) is TaskDeleted:
        return Change(entry.id, entry.rev, facts, {"state": None}, number=number, gone=True)
    assert isinstance(event, _STATEFUL)
    if isinstance(event, TaskExpiring):
        notice_dt, update_dt = None, instants.check(event.update_dt)
    else:
        notice_dt, update_dt = event.notice_dt, at
    if type(event) is TaskCreated:
        facts["create_dt"] = at
    due = None if notice_dt is None else instants.ms(notice_dt)
    if event.expiry_dt is not None:
        instants.check(event.expiry_dt)
    state = TaskState(event.title, update_dt, event.description, event.expiry_dt, notice_dt)
    return Change(entry.id, entry.rev, facts, {"state": _encode_state(state).decode()}, number=number, due=due)


def task_of(id: str, fields: list[str | None]) -> Task | None:
    """A task from the values of FIELDS in its read model; None while it is not there, or not whole, or gone."""
    rev, encoded, create_dt = fields
    if rev is None or encoded is None or create_dt is None:
        return None
    try:
        state = _decode_state(encoded)
    except msgspec.DecodeError:  # somebody else wrote it: `duestream verify` tells, `rebuild` mends
        return None
    return Task(
        id=int(id),
        rev=int(rev),
        title=state.title,
        description=state.description,
        expiry_dt=state.expiry_dt,
        create_dt=create_dt,
        update_dt=state.update_dt,
        notice_dt=state.notice_dt,
    )
