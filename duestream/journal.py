"""Appending to the journal: the only place where anything is decided.

Commands that arrive while a script call is on its way are gathered into the next one (group commit). A process has one
lane for each kind and shard, with one call in flight: with two, calls were smaller and cost more than they gained. A
call has a number, and the script remembers the lane's last call with its answers; so a call whose answer was lost is
sent again and is carried out once.

    what fails                             what happens
    a guard                                Refused, nothing of that command is written; the others are
    the connection, before the script      the call is sent again
    the connection, after the script       the call is sent again and gets the answers of the first time
    Redis, for longer than the patience    Unavailable; whether the last call was carried out is unknown
    this process, in a large batch         a scheduler goes on with the batch (`due:batches`)
"""

import asyncio
import hashlib
import os
from collections.abc import Sequence
from typing import Any

import msgspec

from duestream.errors import InFlight, KeyReused, Refused
from duestream.events import Event, Origin, Step, Steps, Transition, data_of
from duestream.gate import Gate
from duestream.keys import Keys, Kind, shard_of
from duestream.server import Server, pack

LARGEST_CALL = 500  # transitions: keeps a script's run below a few ms
OWN = "jobs"  # the endpoint of webhooks whose URLs entities bring themselves
RUNNERS = "runners"  # the consumer group of the ready streams
LANE_MS = 60_000
ONCE_MS = 24 * 3600 * 1000
BATCH_LEASE_MS = 10_000
PATIENCE = 2.0  # seconds


class Once(msgspec.Struct, frozen=True):
    """An idempotency key (already scoped to who uses it for what), and a digest of the payload it came with."""

    key: str
    fingerprint: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.key.encode()).hexdigest()[:32]


class Accepted(msgspec.Struct, frozen=True):
    """What came of a command: the ids and revisions, in order; `memo` is the first caller's where it was a replay."""

    memo: str
    ids: list[str]
    revs: list[int]
    replayed: bool = False


class Command(msgspec.Struct, frozen=True):
    """Transitions that are accepted or refused together; or, where `each` is set, each by itself.

    memo: what the caller wants back when a command with the same idempotency key comes again.
    """

    origin: Origin
    transitions: Sequence[Transition]
    once: Once | None = None
    memo: str = ""
    each: bool = False


class Tally:
    """How many transitions a process had accepted and refused, by event type."""

    def __init__(self) -> None:
        self.appended: dict[str, int] = {}
        self.refused: dict[str, int] = {}


class Journal:
    """The journal of one kind, over all shards."""

    def __init__(
        self, server: Server, kind: Kind, steps: Steps, *, shards: int, process: str, over: Sequence[str] = ()
    ) -> None:
        """over: the statuses in which an entity lives no more, and lets go of its unique key."""
        self.server = server
        self.kind = kind
        self.steps = steps
        self.over = f" {' '.join(over)} "
        self.shards = [Keys(shard) for shard in range(shards)]
        self.process = process
        self.tally = Tally()
        self._gates = [Gate(_Lane(self, keys).call, largest=LARGEST_CALL, size=_transitions) for keys in self.shards]
        self._next = 0

    async def append(self, command: Command) -> Accepted:
        """Have a command decided and, if it is accepted, put on the stream.

        All its entities must live in one shard, each named once. Raises Refused, KeyReused, InFlight, Unavailable.
        """
        first = command.transitions[0].id
        shard = self.shard_of(first) if first else self.shard_for(command.once)
        return _accepted(await self._gates[shard].submit(command))

    async def append_each(self, origin: Origin, transitions: Sequence[Transition]) -> list[int | Refused]:
        """Have transitions decided, each by itself; the revisions, in order. Few script calls, however many they are.

        Raises Unavailable: then some may have been carried out.
        """
        by_shard: dict[int, list[int]] = {}
        for n, each in enumerate(transitions):
            by_shard.setdefault(self.shard_of(each.id), []).append(n)
        outcomes: list[int | Refused] = [0] * len(transitions)

        async def call(shard: int, places: list[int]) -> None:
            command = Command(origin, [transitions[n] for n in places], each=True)
            _, said = await self._gates[shard].submit(command)
            for n, each in zip(places, said, strict=True):
                outcomes[n] = int(each) if isinstance(each, str) else _refused(each)

        await asyncio.gather(
            *(
                call(shard, places[start : start + LARGEST_CALL])
                for shard, places in by_shard.items()
                for start in range(0, len(places), LARGEST_CALL)
            )
        )
        return outcomes

    async def clear(self, origin: Origin, type: str) -> int:
        """Delete every entity there is, in one event per shard; how many there were."""
        cleared = 0
        for keys in self.shards:
            names = [keys.journal(self.kind), keys.heads(self.kind), keys.ids(self.kind)]
            args: list[str | int] = [
                keys.shard,
                len(self.shards),
                origin.at,
                origin.by,
                origin.cause,
                origin.trace,
                type,
                os.urandom(8).hex(),
            ]
            count = int(await self.server.run("clear", names, args, patience=PATIENCE))
            if count:
                self.tally.appended[type] = self.tally.appended.get(type, 0) + 1
            cleared += count
        return cleared

    def shard_of(self, id: str) -> int:
        """The shard in which an entity lives."""
        return shard_of(self.kind, id, len(self.shards))

    def shard_for(self, once: Once | None) -> int:
        """Where a new entity goes: in turn, but one idempotency key always to one shard."""
        if once is not None:
            return int(once.digest[:8], 16) % len(self.shards)
        self._next = (self._next + 1) % len(self.shards)
        return self._next


def _transitions(command: Command) -> int:
    return len(command.transitions)


def _accepted(said: list[Any]) -> Accepted:
    """What the script said of a command, unless that was no."""
    match said:
        case ["ok" | "replay" as verdict, memo, results]:
            return Accepted(memo, results[::2], [*map(int, results[1::2])], replayed=verdict == "replay")
        case ["refused", index, refusal]:
            refused = _refused(refusal)
            refused.index = int(index)
            raise refused
        case ["reused"]:
            raise KeyReused
    raise InFlight


def _refused(said: list[str]) -> Refused:
    status, rev, attempt, entry, holder = said
    return Refused(status, int(rev), int(attempt), entry, holder)


class _Lane:
    """One call in flight at a time, under its number."""

    def __init__(self, journal: Journal, keys: Keys) -> None:
        self._journal = journal
        self._keys = keys
        self._calls = 0

    async def call(self, commands: list[Command]) -> list[list[Any]]:
        """What the script says of each command. Raises Unavailable."""
        journal, keys, kind = self._journal, self._keys, self._journal.kind
        self._calls += 1
        names = [
            keys.journal(kind),
            keys.heads(kind),
            keys.ids(kind),
            keys.lane(kind, journal.process),
            keys.uniques(kind),
            keys.halt(kind),
            keys.due_webhooks(OWN),
            keys.wake_due(),
        ]
        steps: dict[type[Event], tuple[int, Step]] = {}
        queues: dict[str, int] = {}
        onces: list[str] = []
        asked: list[Any] = []
        to_make = 0
        for command in commands:
            once, origin = command.once, command.origin
            if once is not None:
                onces.append(keys.once(once.digest))
            asked += (
                "e" if command.each else "0" if once is None else "1",
                "" if once is None else once.fingerprint,
                command.memo,
                origin.at,
                origin.by,
                origin.cause,
                origin.trace,
                len(command.transitions),
            )
            for transition in command.transitions:
                event = transition.event
                known = steps.get(type(event))
                if known is None:
                    known = steps[type(event)] = (len(steps) + 1, journal.steps[type(event)])
                number, step = known
                to_make += not transition.id
                asked += (number, transition.id, str(transition.rev), data_of(event).decode())
                if step.fenced:
                    asked.append(str(transition.attempt))
                if step.begins:
                    asked += (str(transition.attempt), transition.entry)
                if step.unique:
                    asked.append(transition.unique)
                if step.done or step.ready:
                    queue = queues.get(transition.queue)
                    if queue is None:
                        queue = queues[transition.queue] = len(names) + 1
                        names.append(keys.ready(transition.queue))
                    if step.done:
                        asked.append(queue)
                    if step.ready:
                        asked += (queue, transition.work.decode())
                if step.hooks:
                    asked.append(getattr(event, "webhook", ""))

        args: list[Any] = [keys.shard, len(journal.shards), str(self._calls), LANE_MS, ONCE_MS]
        args += (RUNNERS, len(queues), journal.over, to_make, len(steps))
        for type_, (_, step) in steps.items():
            args += (type_.type, f" {step.start} " if step.start else "", step.to, step.flags)
        args += asked
        said = await journal.server.run("append", [*names, *onces], [pack(args)], patience=PATIENCE)
        answers: list[list[Any]] = msgspec.json.decode(said)
        for command, answer in zip(commands, answers, strict=True):
            self._count(command, answer)
        return answers

    def _count(self, command: Command, answer: list[Any]) -> None:
        tally, verdict = self._journal.tally, answer[0]
        if verdict == "replay":
            return
        for n, transition in enumerate(command.transitions):
            accepted = isinstance(answer[1][n], str) if verdict == "each" else verdict == "ok"
            counts = tally.appended if accepted else tally.refused
            counts[transition.event.type] = counts.get(transition.event.type, 0) + 1
