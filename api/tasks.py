"""/v1/tasks: create, read, change and delete tasks, one or many."""

import msgspec
from msgspec import UNSET, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from api.bodies import Body
from api.entries import event_view
from api.problems import RETRY_AFTER, Problem, invalid, not_found
from api.query import Query
from api.requests import Condition, etag, once, origin, unchanged
from api.responses import Encoded
from api.services import Services
from api.task_lists import CONSISTENCY, instant, next_page, wanted
from api.task_types import (
    MOST,
    NewTask,
    TaskEdit,
    TaskEdits,
    TaskHistory,
    TaskList,
    TasksDeleted,
    TaskUpdates,
    created_view,
    view,
)
from duestream import tasks
from duestream.batches import Creations
from duestream.errors import Refused
from duestream.events import Origin, Transition
from duestream.journal import Command
from duestream.tasks import Edit, Task, TaskDeleted, TasksCleared, TaskUpdated

ATTEMPTS = 50  # of a read-modify-write; each that fails is another's that succeeded

_TITLE = {"title": "water the plants"}
NEW = Body(NewTask, most=MOST, form=("expiry_dt",), example={**_TITLE, "expiry_dt": "2030-12-24T18:30:00+01:00"})
EDIT = Body(TaskEdit, example=_TITLE)
EDITS = Body(TaskEdits, example={"tasks": [{"id": 7, **_TITLE}]})
_encode = msgspec.json.Encoder().encode
_NO_CACHE = "private, no-cache"


class TaskRoutes:
    """The handlers; they know the services of their process, and nothing of streams."""

    def __init__(self, services: Services) -> None:
        self._tasks = services.tasks
        self._journal = services.task_journal
        self._settings = services.settings
        self._zone = services.settings.zone
        self._lead = services.settings.lead
        self._creations = Creations(self._journal)

    async def create(self, request: Request) -> Response:
        """POST /v1/tasks: accept one task or many; they can be read at once."""
        body = await NEW.read(request, self._settings.body_limit)
        many = isinstance(body, list)
        news = body if isinstance(body, list) else [body]
        events = [
            tasks.create(
                title=new.title,
                description=new.description,
                expiry_dt=instant(new.expiry_dt, f"[{n}].expiry_dt" if many else "expiry_dt", self._zone),
                lead=self._lead,
            )
            for n, new in enumerate(news)
        ]
        source = origin(request)
        command = Command(source, [Transition(event) for event in events], once(request, body), memo=source.at)
        accepted = await self._creations.create(command)
        views = [created_view(int(id), event, accepted.memo) for id, event in zip(accepted.ids, events, strict=True)]
        headers = {"idempotent-replayed": "true"} if accepted.replayed else {}
        if many:
            return _json(TaskList(views), 201, headers)
        return _json(views[0], 201, {"location": f"/v1/tasks/{views[0].id}", "etag": etag(1), **headers})

    async def list(self, request: Request) -> Response:
        """GET /v1/tasks: a page of the tasks, in order of id."""
        asked = wanted(Query(request), self._zone)
        if asked.fresh:
            await self._tasks.applied()
        found = await self._tasks.page(
            after=asked.after, offset=asked.offset, limit=asked.limit + 1, matches=asked.matches
        )
        page = found[: asked.limit]
        headers = {"cache-control": _NO_CACHE}
        if len(found) > asked.limit:
            headers["link"] = next_page(request, page[-1].id)
        return _json(TaskList([view(task) for task in page]), 200, headers)

    async def read(self, request: Request) -> Response:
        """GET /v1/tasks/{id}: one task."""
        fresh = True
        if request.scope["query_string"]:
            fresh = Query(request).choice("consistency", CONSISTENCY) == "strong"
        id = _id(request)
        task = await self._tasks.get(id, fresh=fresh)
        if task is None:
            raise _unknown(id)
        tag = etag(task.rev)
        headers = {"etag": tag, "cache-control": _NO_CACHE}
        if unchanged(request, tag):
            return Response(status_code=304, headers=headers)
        return _json(view(task), 200, headers)

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
                return _json(view(task), 200, {"etag": etag(task.rev)})
            try:
                accepted = await self._journal.append(Command(source, (Transition(event, str(id), task.rev),)))
            except Refused as refusal:
                if not refusal.status:
                    raise _unknown(id) from None
                continue
            updated = _updated(task, event, source, accepted.revs[0])
            return _json(view(updated), 200, {"etag": etag(updated.rev)})
        raise _contended(f"task {id} is")

    async def update_many(self, request: Request) -> Response:
        """PUT /v1/tasks: change many; ids that don't exist are left out and named."""
        body = await EDITS.one(request, self._settings.body_limit)
        edits: dict[int, Edit] = {}
        for n, each in enumerate(body.tasks):
            if each.id in edits:
                raise invalid(f"tasks[{n}].id", f"expected each id once, and {each.id} was given before")
            edits[each.id] = self._edit(each, f"tasks[{n}].")
        source = origin(request)
        done: dict[int, Task] = {}
        left = list(edits)
        for _ in range(ATTEMPTS):
            found = await self._tasks.get_many(left)
            events = {id: tasks.update(task, edits[id], self._lead) for id, task in found.items()}
            done.update({id: task for id, task in found.items() if not _differs(task, events[id])})
            changing = [id for id in found if id not in done]
            outcomes = await self._journal.append_each(
                source, [Transition(events[id], str(id), found[id].rev) for id in changing]
            )
            left = []
            for id, outcome in zip(changing, outcomes, strict=True):
                if isinstance(outcome, Refused):
                    left.append(id)
                else:
                    done[id] = _updated(found[id], events[id], source, outcome)
            if not left:
                views = [view(done[id]) for id in edits if id in done]
                return _json(TaskUpdates(views, [id for id in edits if id not in done]), 200, {})
        raise _contended(f"tasks {', '.join(map(str, left[:10]))} are")

    async def delete(self, request: Request) -> Response:
        """DELETE /v1/tasks/{id}: delete a task."""
        id = _id(request)
        condition = Condition(request)
        for _ in range(ATTEMPTS):
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
                if not refusal.status:
                    raise _unknown(id) from None
                continue
            return Response(status_code=204)
        raise _contended(f"task {id} is")

    async def clear(self, request: Request) -> Response:
        """DELETE /v1/tasks: delete all there are."""
        deleted = await self._journal.clear(origin(request), TasksCleared.type)
        return _json(TasksDeleted(deleted), 200, {})

    async def history(self, request: Request) -> Response:
        """GET /v1/tasks/{id}/events: what happened to a task, when, by whom."""
        id = _id(request)
        entries = await self._tasks.history(id)
        if not entries:
            raise _unknown(id)
        events = [event_view(entry) for entry in entries]
        return _json(TaskHistory(events), 200, {"cache-control": _NO_CACHE})

    def _edit(self, body: TaskEdit, at: str) -> Edit:
        expiry = body.expiry_dt
        return Edit(
            title=body.title,
            description=body.description,
            expiry_dt=UNSET if isinstance(expiry, UnsetType) else instant(expiry, f"{at}expiry_dt", self._zone),
        )


def _json(value: object, status: int, headers: dict[str, str]) -> Response:
    return Encoded(_encode(value), status, headers)


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


def _contended(what: str) -> Problem:
    return Problem(409, "conflict", f"{what} being changed too often", headers=RETRY_AFTER)
