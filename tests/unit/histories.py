"""Histories of tasks, as hypothesis draws them: entries as the journal would hold them."""

from hypothesis import strategies as st

from duestream import instants
from duestream.events import Entry, Event, data_of
from duestream.tasks import TaskCreated, TaskDeleted, TaskExpiring, TasksCleared, TaskUpdated

AT = instants.stamp_ms(1_760_000_000_000)
TIMES = [instants.stamp_ms(1_760_000_000_000 + n * 3_600_000) for n in range(4)]

titles = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
maybe_text = st.none() | titles
maybe_time = st.none() | st.sampled_from(TIMES)
updates = st.builds(TaskUpdated, title=titles, description=maybe_text, expiry_dt=maybe_time, notice_dt=maybe_time)
creations = st.builds(TaskCreated, title=titles, description=maybe_text, expiry_dt=maybe_time, notice_dt=maybe_time)
notices = st.builds(
    TaskExpiring,
    title=titles,
    expiry_dt=st.sampled_from(TIMES),
    update_dt=st.sampled_from(TIMES),
    notice=titles,
    due_dt=st.sampled_from(TIMES),
    description=maybe_text,
)
clears = st.builds(TasksCleared, through=st.integers(0, 2**53), count=st.integers(0, 10**9))
events: st.SearchStrategy[Event] = st.one_of(creations, updates, notices, st.just(TaskDeleted()), clears)


def entry(event: Event, *, id: str, rev: int, n: int) -> Entry:
    """The n-th entry of the journal."""
    at = instants.stamp_ms(1_760_000_000_000 + n)
    return Entry(f"{1000 + n}-0", event.type, id, rev, at, "test", data_of(event).decode())


@st.composite
def lives(draw: st.DrawFn) -> list[Entry]:
    """Entries of a few tasks from creation on, some deleted, in the journal's order."""
    entries: list[Entry] = []
    for id in ("1", "2", "3"):
        life: list[Event] = [draw(creations), *draw(st.lists(updates | notices, max_size=4))]
        if draw(st.booleans()):
            life.append(TaskDeleted())
        entries += [entry(event, id=id, rev=rev, n=len(entries) + rev) for rev, event in enumerate(life, 1)]
    return entries


def repeated(draw: st.DrawFn, entries: list[Entry]) -> list[Entry]:
    """Every entry at least once, some again, in any order."""
    again = draw(st.lists(st.sampled_from(entries), max_size=6))
    return list(draw(st.permutations(entries + again)))


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Entry], list[Entry]]:
    """A journal, and an order in which its entries come to projectors."""
    entries = draw(lives())
    return entries, repeated(draw, entries)
