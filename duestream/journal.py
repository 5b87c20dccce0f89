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
from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec

from duestream.errors import InFlight, KeyReused, Refused
from duestream.events import Origin, Steps, Transition, data_of
from duestream.keys import Keys, Kind
from duestream.server import Server

LARGEST_CALL = 500  # transitions: keeps a script's run below a few ms
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
    """Transitions that are accepted or refused together.

    memo: what the caller wants back when a command with the same idempotency key comes again.
    """

    origin: Origin
    transitions: Sequence[Transition]
    once: Once | None = None
    memo: str = ""


class Tally:
    """How many transitions a process had accepted and refused, by event type."""

    def __init__(self) -> None:
        self.appended: dict[str, int] = {}
        self.refused: dict[str, int] = {}


class Journal:
    """The journal of one kind, over all shards."""

    def __init__(self, server: Server, kind: Kind, steps: Steps, *, shards: int, process: str) -> None:
        self.server = server
        self.kind = kind
        self.steps = steps
        self.shards = [Keys(shard) for shard in range(shards)]
        self.process = process
        self.tally = Tally()
        self._gates = [_Gate(self, keys) for keys in self.shards]
        self._next = 0

    async def append(self, command: Command) -> Accepted:
        """Have a command decided and, if it is accepted, put on the stream.

        All its entities must live in one shard, each named once. Raises Refused, KeyReused, InFlight, Unavailable.
        """
        first = command.transitions[0].id
        shard = self.shard_of(first) if first else self.shard_for(command.once)
        return await self._gates[shard].submit(command)

    async def append_many(self, origin: Origin, transitions: Sequence[Transition]) -> list[Accepted | Refused]:
        """Have transitions decided, each by itself; as many script calls as shards, unless there are very many."""
        answers = [self._gates[self.shard_of(each.id)].submit(Command(origin, (each,))) for each in transitions]
        return [_outcome(answer) for answer in await asyncio.gather(*answers, return_exceptions=True)]

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
        return int(id) % len(self.shards)

    def shard_for(self, once: Once | None) -> int:
        """Where a new entity goes: in turn, but one idempotency key always to one shard."""
        if once is not None:
            return int(once.digest[:8], 16) % len(self.shards)
        self._next = (self._next + 1) % len(self.shards)
        return self._next


def _outcome(answer: "Accepted | BaseException") -> Accepted | Refused:
    if isinstance(answer, BaseException) and not isinstance(answer, Refused):
        raise answer
    return answer


class _Gate:
    """One process's way to one stream: what is asked for while its lane is busy gathers for the next call."""

    def __init__(self, journal: Journal, keys: Keys) -> None:
        self._journal = journal
        self._waiting: deque[tuple[Command, asyncio.Future[Accepted]]] = deque()
        self._lane = _Lane(journal, keys)
        self._running: asyncio.Task[None] | None = None

    def submit(self, command: Command) -> "asyncio.Future[Accepted]":
        answer: asyncio.Future[Accepted] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, answer))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return answer

    async def _run(self) -> None:
        while self._waiting:
            await self._carry_out(self._gather())
            await asyncio.sleep(0)  # those who got their answers may ask again, and share the next call

    def _gather(self) -> list[tuple[Command, "asyncio.Future[Accepted]"]]:
        batch = [self._waiting.popleft()]
        size = len(batch[0][0].transitions)
        while self._waiting and size + len(self._waiting[0][0].transitions) <= LARGEST_CALL:
            batch.append(self._waiting.popleft())
            size += len(batch[-1][0].transitions)
        return batch

    async def _carry_out(self, batch: list[tuple[Command, "asyncio.Future[Accepted]"]]) -> None:
        try:
            answers = await self._lane.call([command for command, _ in batch])
        except Exception as error:
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (command, answer), said in zip(batch, answers, strict=True):
            self._settle(command, answer, said)

    def _settle(self, command: Command, answer: "asyncio.Future[Accepted]", said: list[Any]) -> None:
        tally = self._journal.tally
        verdict = said[0]
        counts = tally.appended if verdict == "ok" else tally.refused
        for transition in () if verdict == "replay" else command.transitions:
            counts[transition.event.type] = counts.get(transition.event.type, 0) + 1
        if answer.done():  # whoever asked has gone
            return
        if verdict in ("ok", "replay"):
            _, memo, results = said
            answer.set_result(Accepted(memo, results[::2], results[1::2], replayed=verdict == "replay"))
        elif verdict == "refused":
            answer.set_exception(Refused(said[1], said[2], said[3]))
        elif verdict == "reused":
            answer.set_exception(KeyReused())
        else:
            answer.set_exception(InFlight())


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
        names = [keys.journal(kind), keys.heads(kind), keys.ids(kind), keys.lane(kind, journal.process)]
        args: list[str | bytes | int] = [keys.shard, len(journal.shards), self._calls, LANE_MS, ONCE_MS]
        for command in commands:
            once, origin = command.once, command.origin
            if once is not None:
                names.append(keys.once(once.digest))
            args += (
                "0" if once is None else "1",
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
                step = journal.steps[type(event)]
                start = f" {step.start} " if step.start else ""
                args += (transition.id, start, step.to, transition.rev, event.type, data_of(event))

        said = await journal.server.run("append", names, args, patience=PATIENCE)
        answers: list[list[Any]] = msgspec.json.decode(said)
        return answers
