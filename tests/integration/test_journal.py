"""Appending: the only decision point. What it accepts, what it refuses, and what happens when an answer is lost."""

import asyncio
from typing import Any

import pytest

from duestream.errors import InFlight, KeyReused, Refused, Unavailable
from duestream.events import Event, Transition
from duestream.journal import Accepted, Command, Journal, Once
from duestream.server import Server
from duestream.tasks import STEPS, TaskCreated, TaskDeleted, TaskExpiring, TasksCleared, TaskUpdated
from tests.core import AT, LATER, ORIGIN, PAST, Core, updated

EXAMPLES: dict[type[Event], Event] = {
    TaskCreated: TaskCreated(title="new"),
    TaskUpdated: updated(),
    TaskExpiring: TaskExpiring(title="a task", expiry_dt=LATER, update_dt=AT, notice="soon", due_dt=PAST),
    TaskDeleted: TaskDeleted(),
}


@pytest.mark.parametrize("event", STEPS)
async def test_an_event_is_accepted_from_the_statuses_of_its_step_and_no_other(core: Core, event: type[Event]) -> None:
    existing, absent = await core.create(), "4000"
    step = STEPS[event]

    outcomes = await core.journal.append_each(
        ORIGIN, [Transition(EXAMPLES[event], existing), Transition(EXAMPLES[event], absent)]
    )

    assert isinstance(outcomes[0], Refused) == ("open" not in step.start.split())
    assert isinstance(outcomes[1], Refused) == (step.start != "")
    assert await core.head(existing) == ("1 open" if step.start == "" else f"2 {step.to}" if step.to else None)
    assert await core.head(absent) == (f"1 {step.to}" if step.start == "" else None)


async def test_a_refusal_says_where_the_head_is_and_writes_nothing(core: Core) -> None:
    id = await core.create()
    before = await core.raw()

    with pytest.raises(Refused) as stale:
        await core.append(updated(), id, rev=7)
    with pytest.raises(Refused) as unknown:
        await core.append(updated(), "400")

    assert (stale.value.status, stale.value.rev) == ("open", 1)
    assert (unknown.value.status, unknown.value.rev) == ("", 0)
    assert await core.raw() == before


async def test_of_many_updates_from_one_revision_exactly_one_is_accepted(core: Core) -> None:
    id = await core.create()
    journals = [core.another_journal() for _ in range(4)]
    commands = [Command(ORIGIN, [Transition(updated(f"by {n}"), id, 1)]) for n in range(20)]

    outcomes = await asyncio.gather(
        *(journals[n % 4].append(command) for n, command in enumerate(commands)), return_exceptions=True
    )

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Accepted"] + ["Refused"] * 19
    assert await core.head(id) == "2 open"


async def test_revisions_count_one_by_one_per_task(core: Core) -> None:
    one, other = await core.create(), await core.create()

    for _ in range(3):
        await core.append(updated(), one)
    await core.append(updated(), other)

    revisions = [(entry.id, entry.rev) for entry in await core.entries()]
    assert sorted(revisions) == sorted([(one, n) for n in (1, 2, 3, 4)] + [(other, n) for n in (1, 2)])


async def test_transitions_of_one_command_are_accepted_or_refused_together(core: Core) -> None:
    one = await core.create()
    shards = len(core.shards)
    absent = str(int(one) + 50 * shards)  # in the same shard
    before = await core.raw()

    with pytest.raises(Refused) as refused:
        await core.journal.append(Command(ORIGIN, [Transition(updated(), one), Transition(updated(), absent)]))

    assert refused.value.index == 1
    assert await core.raw() == before
    assert await core.head(one) == "1 open"


async def test_an_entry_says_who_did_what_when_and_why(core: Core) -> None:
    origin = type(ORIGIN)(at=AT, by="alice", cause="request-9", trace="00-" + "a" * 32 + "-" + "b" * 16 + "-01")

    accepted = await core.journal.append(Command(origin, [Transition(TaskCreated(title="água \n\0 🌊"))]))

    (entry,) = await core.entries()
    assert (entry.type, entry.id, entry.rev) == ("task.created", accepted.ids[0], 1)
    assert (entry.at, entry.by, entry.cause, entry.trace, entry.v) == (AT, "alice", origin.cause, origin.trace, 1)
    assert entry.data == '{"title":"água \\n\\u0000 🌊"}'


async def test_ids_are_unique_over_shards_and_processes(core: Core) -> None:
    journals = [core.another_journal() for _ in range(3)]
    command = Command(ORIGIN, [Transition(TaskCreated(title="x"))] * 5)

    accepted = await asyncio.gather(*(journals[n % 3].append(command) for n in range(60)))

    ids = [id for each in accepted for id in each.ids]
    assert len(set(ids)) == len(ids) == 300
    assert {core.journal.shard_of(id) for id in ids} == set(range(len(core.shards)))


async def test_an_idempotency_key_gets_the_first_answer_again(core: Core) -> None:
    once = Once(key="alice /v1/tasks k1", fingerprint="f")
    first = await core.append(TaskCreated(title="one"), once=once)

    again = await core.another_journal().append(
        Command(ORIGIN, [Transition(TaskCreated(title="one"))], once, memo="another memo")
    )

    assert again.replayed
    assert (again.ids, again.revs, again.memo) == (first.ids, first.revs, "memo")
    assert len(await core.raw()) == 1


async def test_an_idempotency_key_with_another_payload_is_refused(core: Core) -> None:
    await core.append(TaskCreated(title="one"), once=Once(key="k", fingerprint="f"))

    with pytest.raises(KeyReused):
        await core.append(TaskCreated(title="two"), once=Once(key="k", fingerprint="g"))

    assert len(await core.raw()) == 1


async def test_one_key_at_one_moment_through_many_processes_is_carried_out_once(core: Core) -> None:
    command = Command(ORIGIN, [Transition(TaskCreated(title="one"))], Once(key="k", fingerprint="f"))

    accepted = await asyncio.gather(*(core.another_journal().append(command) for _ in range(10)))

    assert len({each.ids[0] for each in accepted}) == 1
    assert [each.replayed for each in accepted].count(False) == 1
    assert len(await core.raw()) == 1


async def test_what_makes_no_entity_takes_no_id(core: Core) -> None:
    """Of one call, some commands are answered from their once record, and some are refused."""
    create = Transition(TaskCreated(title="one of some"))
    once = Once(key="k", fingerprint="f")
    first = await core.journal.append(Command(ORIGIN, [create, create], once))
    shard = core.journal.shard_of(first.ids[0])
    keys = [Once(key=f"another {n}", fingerprint="f") for n in range(64)]
    others = [key for key in keys if core.journal.shard_for(key) == shard][:2]
    commands = [
        Command(ORIGIN, [create, create], once),
        Command(ORIGIN, [create], others[0]),
        Command(ORIGIN, [Transition(updated(), first.ids[0], 7), create]),
        Command(ORIGIN, [create, create], once),
        Command(ORIGIN, [create], others[1]),
    ]

    said = await asyncio.gather(*map(core.journal.append, commands), return_exceptions=True)

    made = [each.ids for each in said if isinstance(each, Accepted) and not each.replayed]
    step = len(core.shards)
    last = int(first.ids[1])
    assert made == [[str(last + step)], [str(last + 2 * step)]]
    assert [type(each) for each in said] == [Accepted, Accepted, Refused, Accepted, Accepted]


async def test_a_refused_command_leaves_its_idempotency_key_free(core: Core) -> None:
    id, once = await core.create(), Once(key="k", fingerprint="f")
    with pytest.raises(Refused):
        await core.append(updated(), id, rev=9, once=once)

    accepted = await core.append(updated(), id, rev=1, once=once)

    assert not accepted.replayed


async def test_a_key_whose_batch_is_on_its_way_is_in_flight(core: Core) -> None:
    once = Once(key="k", fingerprint="f")
    keys = core.shards[core.journal.shard_for(once)]
    await core.server.call("SET", keys.once(once.digest), '["f","inflight","tasks.1"]')

    with pytest.raises(InFlight):
        await core.append(TaskCreated(title="one"), once=once)

    assert await core.raw() == []


class Lossy(Server):
    """Carries out what it is told, and loses the first answers to some scripts on the way back."""

    def __init__(self, server: Server, losses: dict[str, int]) -> None:
        super().__init__(server.client)
        self.losses = losses

    async def run(self, name: str, keys: Any, args: Any, *, patience: float = 0) -> Any:
        if patience:
            return await super().run(name, keys, args, patience=patience)
        reply = await super().run(name, keys, args)
        if self.losses.get(name, 0):
            self.losses[name] -= 1
            raise Unavailable("the answer was lost")
        return reply


async def test_a_call_whose_answer_was_lost_is_carried_out_once_and_gets_its_answer(core: Core) -> None:
    journal = Journal(Lossy(core.server, {"append": 3}), "tasks", STEPS, shards=len(core.shards), process="lossy")
    id = await core.create()

    accepted = await journal.append(Command(ORIGIN, [Transition(updated("once"), id, 1)]))
    after = await journal.append(Command(ORIGIN, [Transition(updated("then"), id, 2)]))

    assert (accepted.revs, after.revs) == ([2], [3])
    assert [entry.rev for entry in await core.entries()] == [1, 2, 3]


class Delayed(Server):
    """Remembers its first append instead of carrying it out, as a connection does that stalls before Redis reads it."""

    def __init__(self, server: Server) -> None:
        super().__init__(server.client)
        self.stalled: tuple[Any, Any] | None = None

    async def run(self, name: str, keys: Any, args: Any, *, patience: float = 0) -> Any:
        if self.stalled is None:
            self.stalled = (keys, list(args))
            raise Unavailable("nobody knows whether it will arrive")
        return await super().run(name, keys, args, patience=patience)


async def test_a_call_that_arrives_after_a_later_one_of_its_lane_is_not_carried_out(core: Core) -> None:
    delayed = Delayed(core.server)
    journal = Journal(delayed, "tasks", STEPS, shards=len(core.shards), process="delayed")
    id = await core.create()
    command = Command(ORIGIN, [Transition(updated("given up"), id)])
    with pytest.raises(Unavailable):
        await journal.append(command)
    await journal.append(Command(ORIGIN, [Transition(updated("later"), id)]))
    before = await core.raw()

    assert delayed.stalled is not None
    said = await core.server.run("append", *delayed.stalled)

    assert said == "[]"
    assert await core.raw() == before


async def test_a_refusal_whose_answer_was_lost_stays_a_refusal(core: Core) -> None:
    journal = Journal(Lossy(core.server, {"append": 1}), "tasks", STEPS, shards=len(core.shards), process="lossy")

    with pytest.raises(Refused):
        await journal.append(Command(ORIGIN, [Transition(updated(), "12")]))

    assert await core.raw() == []


async def test_a_clear_whose_answer_was_lost_says_how_many_it_deleted(core: Core) -> None:
    for _ in range(6):
        await core.create()
    journal = Journal(Lossy(core.server, {"clear": 1}), "tasks", STEPS, shards=len(core.shards), process="lossy")

    assert await journal.clear(ORIGIN, TasksCleared.type) == 6
    cleared = [entry for entry in await core.entries() if entry.type == TasksCleared.type]
    assert len(cleared) == len(core.shards)


class Counting(Server):
    """Counts the runs of each script."""

    def __init__(self, server: Server) -> None:
        super().__init__(server.client)
        self.runs: dict[str, int] = {}

    async def run(self, name: str, keys: Any, args: Any, *, patience: float = 0) -> Any:
        if not patience:
            self.runs[name] = self.runs.get(name, 0) + 1
        return await super().run(name, keys, args, patience=patience)


async def test_appends_at_one_moment_share_a_few_script_calls(core: Core) -> None:
    counting, shards = Counting(core.server), len(core.shards)
    journal = Journal(counting, "tasks", STEPS, shards=shards, process="counting")
    command = Command(ORIGIN, [Transition(TaskCreated(title="x"))])

    accepted = await asyncio.gather(*(journal.append(command) for _ in range(400)))

    assert len({each.ids[0] for each in accepted}) == 400
    assert counting.runs["append"] <= 2 * shards
    assert journal.tally.appended == {"task.created": 400}


async def test_one_caller_that_gives_up_does_not_take_its_neighbours_with_it(core: Core) -> None:
    command = Command(ORIGIN, [Transition(TaskCreated(title="x"))])
    appends = [asyncio.ensure_future(core.journal.append(command)) for _ in range(8)]
    await asyncio.sleep(0)

    appends[3].cancel()
    outcomes = await asyncio.gather(*appends, return_exceptions=True)

    assert [isinstance(each, asyncio.CancelledError) for each in outcomes].count(True) == 1
    assert len(await core.raw()) >= 7


async def test_a_clear_deletes_all_there_were_and_only_those(core: Core) -> None:
    before = [await core.create() for _ in range(9)]
    await core.append(TaskDeleted(), before[0])

    cleared = await core.journal.clear(ORIGIN, TasksCleared.type)
    after = await core.create()

    assert cleared == 8
    outcomes = await core.journal.append_each(ORIGIN, [Transition(updated(), id) for id in [*before, after]])
    assert [isinstance(each, Refused) for each in outcomes] == [True] * 9 + [False]
    assert await core.journal.clear(ORIGIN, TasksCleared.type) == 1
    assert await core.journal.clear(ORIGIN, TasksCleared.type) == 0
