"""What an event does to a read model, in a form that folds in any order and any number of times.

The creating event carries what never changes (`facts`), every later one the whole changing `state`. State comes from
the newest revision, facts always. So merging changes is commutative, associative and idempotent: a semilattice.
"""

from collections.abc import Iterable

import msgspec


class Change(msgspec.Struct, frozen=True, gc=False):
    """What one or several events of one entity lead to.

    facts: fields that hold whatever else is known; state: fields as of `rev`, None where it has none; place: the list
    in which it stands as of `rev`, of those of its kind, and `number`: where in it; due: ms at which to act, as of
    `rev`; gone: deleted as of `rev`.
    """

    id: str
    rev: int
    facts: dict[str, str]
    state: dict[str, str | None]
    place: str = "list"
    number: int = 0
    due: int | None = None
    gone: bool = False


class Cleared(msgspec.Struct, frozen=True):
    """Everything of the kind with a number up to `through` is gone."""

    through: int


def merge(one: Change, other: Change) -> Change:
    """What both together lead to."""
    newer = one if one.rev >= other.rev else other
    return Change(
        id=one.id,
        rev=newer.rev,
        facts={**one.facts, **other.facts},
        state=newer.state,
        place=newer.place,
        number=newer.number,
        due=newer.due,
        gone=newer.gone,
    )


def fold(changes: Iterable[Change]) -> dict[str, Change]:
    """All changes by entity, each entity's merged into one."""
    folded: dict[str, Change] = {}
    for change in changes:
        before = folded.get(change.id)
        folded[change.id] = change if before is None else merge(before, change)
    return folded


def model_of(change: Change) -> dict[str, str]:
    """The hash that stands in Redis once nothing but this change (of a whole history) was applied."""
    fields = {name: value for name, value in change.state.items() if value is not None}
    fields.update(change.facts)
    fields["rev"] = str(change.rev)
    if change.gone:
        fields["gone"] = "1"
    return fields


def event_field(rev: int) -> str:
    """The name of the model's field that holds the stream id of the event with this revision."""
    return f"e{rev}"
