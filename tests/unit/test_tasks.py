"""The domain of tasks: creating, changing, arming and giving notices, projecting."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from duestream.changes import Change, Cleared, fold, model_of
from duestream.events import Event, Unreadable
from duestream.tasks import (
    FIELDS,
    Edit,
    Task,
    TaskCreated,
    TaskDeleted,
    TaskExpiring,
    TasksCleared,
    TaskUpdated,
    arm,
    create,
    expiring,
    project,
    task_of,
    update,
)
from tests.unit.histories import AT, entry

LEAD = timedelta(minutes=15)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)
TASK = Task(
    id=7,
    rev=3,
    title="plants",
    description="all of them",
    expiry_dt="2026-11-22T12:00:00.000000Z",
    create_dt=AT,
    update_dt=AT,
    notice_dt="2026-11-22T11:45:00.000000Z",
)


def projected(event: Event, *, id: str = "7", rev: int = 2) -> Change:
    change = project(entry(event, id=id, rev=rev, n=rev))
    assert isinstance(change, Change)
    return change


def test_a_new_task_is_armed_a_lead_before_its_expiry() -> None:
    event = create(title="x", description=None, expiry_dt=NOON, lead=LEAD)

    assert event == TaskCreated(
        title="x", expiry_dt="2026-11-22T12:00:00.000000Z", notice_dt="2026-11-22T11:45:00.000000Z"
    )


def test_a_task_that_never_expires_is_not_armed() -> None:
    assert create(title="x", description="d", expiry_dt=None, lead=LEAD) == TaskCreated(title="x", description="d")
    assert arm(None, LEAD) == (None, None)


def test_a_notice_is_not_due_before_year_1() -> None:
    first = datetime(1, 1, 1, 0, 5, tzinfo=UTC)

    assert arm(first, LEAD) == ("0001-01-01T00:05:00.000000Z", "0001-01-01T00:00:00.000000Z")
    assert arm(datetime(9999, 12, 31, tzinfo=UTC), timedelta.max)[1] == "0001-01-01T00:00:00.000000Z"


def test_an_edit_changes_what_it_names_and_nothing_else() -> None:
    assert update(TASK, Edit(), LEAD) == TaskUpdated(TASK.title, TASK.description, TASK.expiry_dt, TASK.notice_dt)
    assert update(TASK, Edit(title="new"), LEAD).title == "new"
    assert update(TASK, Edit(title="new"), LEAD).notice_dt == TASK.notice_dt
    assert update(TASK, Edit(description=None), LEAD).description is None


def test_another_expiry_arms_again_the_same_leaves_it_and_none_disarms() -> None:
    given = msgspec.structs.replace(TASK, notice_dt=None)

    assert update(given, Edit(expiry_dt=NOON), LEAD).notice_dt is None
    assert update(given, Edit(expiry_dt=NOON + LEAD), LEAD).notice_dt == "2026-11-22T12:00:00.000000Z"
    assert update(TASK, Edit(expiry_dt=None), LEAD).notice_dt is None
    assert update(TASK, Edit(expiry_dt=None), LEAD).expiry_dt is None


@pytest.mark.parametrize(
    ("now_ms", "says"),
    [
        (NOON_MS - 1, 'Your task (id:7, title:"plants") will be expired at 2026-11-22T12:00:00Z!'),
        (NOON_MS, 'Your task (id:7, title:"plants") is expired already at 2026-11-22T12:00:00Z!'),
    ],
)
def test_a_notice_says_whether_the_task_is_expired(now_ms: int, says: str) -> None:
    event = expiring(TASK, now_ms)

    assert event is not None
    assert event.notice == says
    assert (event.title, event.description, event.expiry_dt) == (TASK.title, TASK.description, TASK.expiry_dt)
    assert (event.due_dt, event.update_dt) == (TASK.notice_dt, TASK.update_dt)


def test_there_is_no_notice_where_none_is_outstanding() -> None:
    given = msgspec.structs.replace(TASK, notice_dt=None)

    assert expiring(given, NOON_MS) is None


def test_projected_events_make_the_task_that_was_meant() -> None:
    created = create(title="plants", description=None, expiry_dt=NOON, lead=LEAD)
    changes = [projected(created, rev=1), projected(TaskUpdated(title="plants", description="all"), rev=2)]

    model = model_of(fold(changes)["7"])

    assert task_of("7", [model.get(name) for name in FIELDS]) == Task(
        id=7,
        rev=2,
        title="plants",
        description="all",
        expiry_dt=None,
        create_dt=entry(created, id="7", rev=1, n=1).at,
        update_dt=entry(created, id="7", rev=2, n=2).at,
        notice_dt=None,
    )


def test_a_task_is_listed_by_its_id_and_the_notice_time_makes_it_due() -> None:
    change = projected(create(title="x", description=None, expiry_dt=NOON, lead=LEAD), rev=1)

    assert (change.number, change.due) == (7, NOON_MS - 15 * 60_000)
    assert projected(TaskUpdated(title="x")).number == 7


def test_a_notice_disarms_the_task_and_does_not_count_as_its_update() -> None:
    event = expiring(TASK, NOON_MS)
    assert event is not None

    change = projected(event, rev=4)

    assert change.due is None
    task = task_of("7", ["4", change.state["state"], AT])
    assert task is not None
    assert (task.notice_dt, task.update_dt) == (None, TASK.update_dt)


def test_a_deletion_leaves_a_tombstone_and_a_clear_a_mark() -> None:
    assert projected(TaskDeleted()).gone
    assert project(entry(TasksCleared(through=9, count=3), id="*", rev=1, n=1)) == Cleared(through=9)


@pytest.mark.parametrize("id", ["", "x", "1.5", "-1", "01", " 1", "１", "9" * 17])
def test_an_id_that_is_no_number_is_unreadable(id: str) -> None:
    with pytest.raises(Unreadable, match="field 'id'"):
        projected(TaskUpdated(title="x"), id=id)


@pytest.mark.parametrize(
    "event",
    [
        TaskCreated(title="x", notice_dt="soon"),
        TaskCreated(title="x", expiry_dt="2026-01-01T00:00:00"),
        TaskExpiring(title="x", expiry_dt=AT, update_dt="", notice="n", due_dt=AT),
    ],
)
def test_a_time_that_is_none_is_unreadable(event: Event) -> None:
    with pytest.raises(Unreadable, match="a time in 'data'"):
        projected(event)


@pytest.mark.parametrize("missing", FIELDS)
def test_a_model_that_is_not_whole_is_no_task(missing: str) -> None:
    whole = {"rev": "1", "state": f'{{"title":"x","update_dt":"{AT}"}}', "create_dt": AT}
    assert task_of("7", [whole[name] for name in FIELDS]) is not None

    assert task_of("7", [None if name == missing else whole[name] for name in FIELDS]) is None


@pytest.mark.parametrize("state", ["", "{", '{"title":"x"}', '{"title":1,"update_dt":""}'])
def test_a_model_that_somebody_else_wrote_is_no_task(state: str) -> None:
    assert task_of("7", ["1", state, AT]) is None
