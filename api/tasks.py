"""/v1/tasks: create, read, change and delete tasks, one or many."""

import base64
import binascii
import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from api.bodies import Body, Query
from api.problems import Problem, invalid, not_found
from api.requests import Condition, etag, once, origin, unchanged
from api.services import Services
from duestream import instants, tasks
from duestream.batches import create_many
from duestream.errors import InFlight, Refused
from duestream.events import Origin, Transition
from duestream.journal import Accepted, Command
from duestream.tasks import Edit, Task, TaskDeleted, TasksCleared, TaskUpdated

MOST = 10_000
PAGE = 1000
ATTEMPTS = 50  # of a read-modify-write; each that fails is another's that succeeded
LIST_PARAMETERS = ("limit", "offset", "cursor", "expires_before", "expires_after", "title", "consistency")

Title = Annotated[str, Meta(min_length=1, max_length=50, description="1 to 50 characters")]
Description = Annotated[str, Meta(max_length=65_536)]
Instant = Annotated[
    str,
    Meta(
        pattern=instants.ISO_8601,
        description="ISO 8601; without an offset it is in the configured time zone",
        examples=["2026-12-24T18:30:00+01:00"],
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

    id: Annotated[int, Meta(ge=0)]


class TaskEdits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Changes of many tasks."""

    tasks: Annotated[list[TaskEditById], Meta(max_length=MOST)]


class TaskView(msgspec.Struct, frozen=True):
    """A task."""

    id: int
    title: str
    description: str | None
    expiry_dt: str | None
    create_dt: str
    update_dt: str


class TaskList(msgspec.Struct, frozen=True):
    """Tasks in order of id."""

    tasks: list[TaskView]


class TaskUpdates(msgspec.Struct, frozen=True):
    """The tasks as they are now, and the ids that don't exist."""

    tasks: list[TaskView]
    discarded: list[int]


class TasksDeleted(msgspec.Struct, frozen=True):
    """How many tasks were deleted."""

    deleted: int


class TaskEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event of a task's history."""

    event: str
    type: str
    rev: int
    at: str
    by: str
    data: msgspec.Raw
    cause: str = ""
    trace: str = ""


class TaskHistory(msgspec.Struct, frozen=True):
    """A task's events, oldest first."""

    events: list[TaskEvent]


NEW = Body(NewTask, most=MOST, form=True)
EDIT = Body(TaskEdit)
EDITS = Body(TaskEdits)
_encode = msgspec.json.Encoder().encode
_NO_CACHE = "private, no-cache"
_PLUS = re.compile(r"(?<=:\d\d) (?=\d\d:?\d\d$)")  # an offset's sign, where the client did not quote it


class TaskRoutes:
    """The handlers; they know the services of their process, and nothing of streams."""

    def __init__(self, services: Services) -> None:
        self._tasks = services.tasks
        self._journal = services.task_journal
        self._settings = services.settings
        self._zone = services.settings.zone
        self._lead = services.settings.lead
        self._in_flight: set[str] = set()

    async def create(self, request: Request) -> Response:
        """POST /v1/tasks: accept one task or many; they can be read at once."""
        body = await NEW.read(request, self._settings.body_limit)
        many = isinstance(body, list)
        news = body if isinstance(body, list) else [body]
        events = [
            tasks.create(
                title=new.title,
                description=new.description,
                expiry_dt=self._instant(new.expiry_dt, f"[{n}].expiry_dt" if many else "expiry_dt"),
                lead=self._lead,
            )
            for n, new in enumerate(news)
        ]
        source = origin(request)
        command = Command(source, [Transition(event) for event in events], once(request, body), memo=source.at)
        accepted = await self._create_once(command)
        views = [
            _view(
                Task(
                    int(id),
                    1,
                    each.title,
                    each.description,
                    each.expiry_dt,
                    accepted.memo,
                    accepted.memo,
                    None,
                )
            )
            for id, each in zip(accepted.ids, events, strict=True)
        ]
        headers = {"idempotent-replayed": "true"} if accepted.replayed else {}
        if many:
            return _json(TaskList(views), 201, headers)
        return _json(views[0], 201, {"location": f"/v1/tasks/{views[0].id}", "etag": etag(1), **headers})

    async def _create_once(self, command: Command) -> Accepted:
        if command.once is None:
            return await create_many(self._journal, command)
        key = command.once.key
        if key in self._in_flight:
            raise InFlight
        self._in_flight.add(key)
        try:
            return await create_many(self._journal, command)
        finally:
            self._in_flight.discard(key)

    async def list(self, request: Request) -> Response:
        """GET /v1/tasks: a page of the tasks, in order of id."""
        query = Query(request, LIST_PARAMETERS)
        limit = query.whole("limit", PAGE, least=1, most=MOST)
        offset = query.whole("offset", 0, least=0, most=10**12)
        cursor = query.text("cursor")
        if cursor is not None and query.text("offset") is not None:
            raise invalid("cursor", "expected either a cursor or an offset")
        matches = self._filter(query)
        if query.choice("consistency", ("strong", "eventual")) == "strong":
            await self._tasks.applied()
        found = await self._tasks.page(
            after=-1 if cursor is None else _after(cursor), offset=offset, limit=limit + 1, matches=matches
        )
        page = found[:limit]
        headers = {"cache-control": _NO_CACHE}
        if len(found) > limit:
            kept = [
                (name, value) for name, value in request.query_params.multi_items() if name not in ("cursor", "offset")
            ]
            following = urlencode([*kept, ("cursor", _cursor(page[-1].id))])
            headers["link"] = f'</v1/tasks?{following}>; rel="next"'
        return _json(TaskList([_view(task) for task in page]), 200, headers)

    def _filter(self, query: Query) -> Callable[[Task], bool] | None:
        before = self._bound(query, "expires_before")
        after = self._bound(query, "expires_after")
        prefix = query.text("title")
        if before is None and after is None and prefix is None:
            return None

        def matches(task: Task) -> bool:
            if (before or after) and task.expiry_dt is None:
                return False
            expiry = task.expiry_dt or ""
            return (
                (before is None or expiry < before)
                and (after is None or expiry > after)
                and (prefix is None or task.title.startswith(prefix))
            )

        return matches

    def _bound(self, query: Query, name: str) -> str | None:
        text = query.text(name)
        at = self._instant(text if text is None else _PLUS.sub("+", text), name)
        return None if at is None else instants.exact(at)

    async def read(self, request: Request) -> Response:
        """GET /v1/tasks/{id}: one task."""
        fresh = True
        if request.scope["query_string"]:
            fresh = Query(request, ("consistency",)).choice("consistency", ("strong", "eventual")) == "strong"
        id = _id(request)
        task = await self._tasks.get(id, fresh=fresh)
        if task is None:
            raise _unknown(id)
        tag = etag(task.rev)
        headers = {"etag": tag, "cache-control": _NO_CACHE}
        if unchanged(request, tag):
            return Response(status_code=304, headers=headers)
        return _json(_view(task), 200, headers)

    async def update(self, request: Request) -> Response:
        """PUT, PATCH /v1/tasks/{id}: change the fields given."""
        id = _id(request)
        condition = Condition(request)
        edit = self._edit(await EDIT.one(request, self._settings.body_limit), "")
        source = origin(request)
        for _ in range(ATTEMPTS):
            task = await self._tasks.get(id)
            if task is None:
                raise _unknown(id)
            condition.check(task.rev)
            event = tasks.update(task, edit, self._lead)
            if not _differs(task, event):
                return _json(_view(task), 200, {"etag": etag(task.rev)})
            try:
                accepted = await self._journal.append(Command(source, (Transition(event, str(id), task.rev),)))
            except Refused as refusal:
                if not refusal.status:
                    raise _unknown(id) from None
                continue
            updated = _updated(task, event, source, accepted.revs[0])
            return _json(_view(updated), 200, {"etag": etag(updated.rev)})
        raise Problem(409, "conflict", f"task {id} is being changed too often", headers={"retry-after": "1"})

    async def update_many(self, request: Request) -> Response:
        """PUT /v1/tasks: change many; ids that don't exist are left out and named."""
        body = await EDITS.one(request, self._settings.body_limit)
        edits = {each.id: self._edit(each, f"tasks[{n}].") for n, each in enumerate(body.tasks)}
        if len(edits) < len(body.tasks):
            raise invalid("tasks", "expected each id once")
        source = origin(request)
        done: dict[int, Task] = {}
        left = list(edits)
        for _ in range(ATTEMPTS):
            found = await self._tasks.get_many(left)
            events = {id: tasks.update(task, edits[id], self._lead) for id, task in found.items()}
            done.update({id: task for id, task in found.items() if not _differs(task, events[id])})
            changing = [id for id in found if id not in done]
            outcomes = await self._journal.append_many(
                source, [Transition(events[id], str(id), found[id].rev) for id in changing]
            )
            left = []
            for id, outcome in zip(changing, outcomes, strict=True):
                if isinstance(outcome, Refused):
                    left.append(id)
                else:
                    done[id] = _updated(found[id], events[id], source, outcome.revs[0])
            if not left:
                views = [_view(done[id]) for id in edits if id in done]
                return _json(TaskUpdates(views, [id for id in edits if id not in done]), 200, {})
        raise Problem(409, "conflict", f"tasks {left} are being changed too often", headers={"retry-after": "1"})

    async def delete(self, request: Request) -> Response:
        """DELETE /v1/tasks/{id}"""
        id = _id(request)
        condition = Condition(request)
        rev = 0
        if condition.given:
            task = await self._tasks.get(id)
            if task is None:
                raise _unknown(id)
            condition.check(task.rev)
            rev = task.rev
        try:
            await self._journal.append(Command(origin(request), (Transition(TaskDeleted(), str(id), rev),)))
        except Refused as refusal:
            raise (condition.failed(refusal.rev) if refusal.status else _unknown(id)) from None
        return Response(status_code=204)

    async def clear(self, request: Request) -> Response:
        """DELETE /v1/tasks: delete all there are."""
        Query(request, ())
        deleted = await self._journal.clear(origin(request), TasksCleared.type)
        return _json(TasksDeleted(deleted), 200, {})

    async def history(self, request: Request) -> Response:
        """GET /v1/tasks/{id}/events: what happened to a task, when, by whom."""
        id = _id(request)
        entries = await self._tasks.history(id)
        if not entries:
            raise _unknown(id)
        events = [
            TaskEvent(
                event=each.entry,
                type=each.type,
                rev=each.rev,
                at=each.at,
                by=each.by,
                data=msgspec.Raw(each.data.encode()),
                cause=each.cause,
                trace=each.trace,
            )
            for each in entries
        ]
        return _json(TaskHistory(events), 200, {"cache-control": _NO_CACHE})

    def _edit(self, body: TaskEdit, at: str) -> Edit:
        expiry = body.expiry_dt
        return Edit(
            title=body.title,
            description=body.description,
            expiry_dt=UNSET if isinstance(expiry, UnsetType) else self._instant(expiry, f"{at}expiry_dt"),
        )

    def _instant(self, text: str | None, field: str) -> datetime | None:
        if text is None:
            return None
        try:
            return instants.parse(text, self._zone)
        except ValueError as error:
            raise invalid(field, str(error)) from None


def _json(value: object, status: int, headers: dict[str, str]) -> Response:
    return Response(_encode(value), status, headers, "application/json")


def _view(task: Task) -> TaskView:
    expiry = task.expiry_dt
    return TaskView(
        task.id,
        task.title,
        task.description,
        None if expiry is None else instants.shown(expiry),
        task.create_dt,
        task.update_dt,
    )


def _updated(task: Task, event: TaskUpdated, source: Origin, rev: int) -> Task:
    return Task(
        task.id,
        rev,
        event.title,
        event.description,
        event.expiry_dt,
        task.create_dt,
        source.at,
        event.notice_dt,
    )


def _differs(task: Task, event: TaskUpdated) -> bool:
    return (task.title, task.description, task.expiry_dt) != (event.title, event.description, event.expiry_dt)


def _id(request: Request) -> int:
    text: str = request.path_params["id"]
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise not_found(f"there is no task {text!r}: ids are whole numbers")
    return int(text)


def _unknown(id: int) -> Problem:
    return not_found(f"there is no task {id}")


def _cursor(after: int) -> str:
    return base64.urlsafe_b64encode(f"tasks:{after}".encode()).decode().rstrip("=")


def _after(cursor: str) -> int:
    try:
        kind, _, after = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(":")
    except (binascii.Error, ValueError):
        kind, after = "", ""
    if kind != "tasks" or not (after.isascii() and after.isdigit() and len(after) < 16):
        raise invalid("cursor", "expected a cursor as a Link header of this list gave it")
    return int(after)
