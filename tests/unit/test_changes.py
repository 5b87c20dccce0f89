"""The laws of changes: any order and any repetition lead to one model."""

from hypothesis import given

from duestream.changes import Change, fold, merge, model_of
from duestream.events import Entry
from duestream.tasks import project
from tests.unit.histories import deliveries, lives


def changes(entries: list[Entry]) -> list[Change]:
    found = [project(entry) for entry in entries]
    return [change for change in found if isinstance(change, Change)]


@given(deliveries())
def test_any_order_and_any_repetition_folds_to_the_same_models(delivery: tuple[list[Entry], list[Entry]]) -> None:
    journal, delivered = delivery

    assert fold(changes(delivered)) == fold(changes(journal))


@given(lives())
def test_merging_is_commutative_associative_and_idempotent(entries: list[Entry]) -> None:
    of_one = [change for change in changes(entries) if change.id == "1"]
    a, b, c = of_one[0], of_one[len(of_one) // 2], of_one[-1]

    assert merge(a, b) == merge(b, a)
    assert merge(a, merge(b, c)) == merge(merge(a, b), c)
    assert merge(c, c) == c


@given(lives())
def test_the_newest_event_decides_the_state_and_every_event_leaves_its_mark(entries: list[Entry]) -> None:
    for id, change in fold(changes(entries)).items():
        own = [entry for entry in entries if entry.id == id]
        model = model_of(change)

        assert model["rev"] == str(len(own))
        assert change.state == changes(own)[-1].state
        assert {name: value for name, value in model.items() if name[1:].isdigit()} == {
            f"e{entry.rev}": entry.entry for entry in own
        }
        assert model["create_dt"] == own[0].at
        assert (own[-1].type == "task.deleted") == change.gone == ("gone" in model)


def test_a_deleted_task_keeps_nothing_of_its_state_and_is_not_due() -> None:
    created = Change(id="1", rev=1, facts={"e1": "5-0"}, state={"title": "x"}, number=1, due=7)
    deleted = Change(id="1", rev=2, facts={"e2": "6-0"}, state={"title": None}, number=1, gone=True)

    both = merge(deleted, created)

    assert model_of(both) == {"e1": "5-0", "e2": "6-0", "rev": "2", "gone": "1"}
    assert (both.due, both.number) == (None, 1)
