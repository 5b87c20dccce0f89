"""What clients send and get about tasks; the same types validate bodies and make the OpenAPI document."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.entries import EventView
from duestream import instants
from duestream.tasks import Task, TaskCreated

MOST = 10_000  # tasks in one request or answer
LARGEST_ID = 10**15 - 1
INSTANT = {"format": "iso8601", "pattern": instants.ISO_8601}  # a date that exists, which no pattern can say

Id = Annotated[int, Meta(ge=0, le=LARGEST_ID, examples=[7])]
Title = Annotated[
    str, Meta(min_length=1, max_length=50, description="1 to 50 characters", examples=["water the plants"])
]
Description = Annotated[str, Meta(max_length=65_536, examples=["all of them"])]
Instant = Annotated[
    str,
    Meta(
        description="ISO 8601; without an offset it is in the configured time zone",
        examples=["2030-12-24T18:30:00+01:00"],
        extra_json_schema=INSTANT,  # not checked by msgspec: `instants.parse` refuses in words
    ),
]
Stamp = Annotated[
    str,
    Meta(
        description="RFC 3339, in UTC",
        examples=["2030-12-24T17:30:00Z"],
        extra_json_schema={"format": "date-time"},
    ),
]


class NewTask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A task to create. Without an expiry it never expires."""

    title: Title
    description: Description | None = None
    expiry_dt: Instant | None = None


class TaskEdit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a task: only the fields given change, null clears."""

    title: Title | UnsetType = UNSET
    description: Description | None | UnsetType = UNSET
    expiry_dt: Instant | None | UnsetType = UNSET


class TaskEditById(TaskEdit, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to change of the task with this id."""

    id: Id


class TaskEdits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Changes of many tasks, each named once."""

    tasks: Annotated[list[TaskEditById], Meta(max_length=MOST)]


class TaskView(msgspec.Struct, frozen=True):
    """A task."""

    id: Id
    title: Title
    description: Description | None
    expiry_dt: Stamp | None
    create_dt: Stamp
    update_dt: Stamp


class TaskList(msgspec.Struct, frozen=True):
    """Tasks in order of id."""

    tasks: list[TaskView]


class TaskUpdates(msgspec.Struct, frozen=True):
    """The tasks as they are now, and the ids that don't exist."""

    tasks: list[TaskView]
    discarded: list[Id]


class TasksDeleted(msgspec.Struct, frozen=True):
    """How many tasks were deleted."""

    deleted: int


class TaskHistory(msgspec.Struct, frozen=True):
    """A task's events, oldest first."""

    events: list[EventView]


def view(task: Task) -> TaskView:
    """A task as clients see it."""
    return TaskView(task.id, task.title, task.description, _shown(task.expiry_dt), task.create_dt, task.update_dt)


def created_view(id: int, event: TaskCreated, at: str) -> TaskView:
    """A task that was created by this event at that time."""
    return TaskView(id, event.title, event.description, _shown(event.expiry_dt), at, at)


def _shown(expiry: str | None) -> str | None:
    return None if expiry is None else instants.shown(expiry)
