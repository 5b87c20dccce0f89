"""Queues driven by hand, and the laws that every history of turns keeps, read from the journal alone."""

import contextlib
import os
from collections.abc import AsyncIterator, Sequence

import msgspec

from duestream import instants, queues
from duestream.applying import TOKENS, apply
from duestream.events import Entry, Origin, entry_of
from duestream.queues import (
    CALLED,
    LAPSED,
    LIVE,
    SERVED,
    SERVING,
    STATUS_OF,
    WAITING,
    QueueConfigured,
    QueueSettings,
    token_in,
)
from duestream.rebuilding import rebuild
from duestream.server import Server, connect
from duestream.turn_reading import Turns
from duestream.turn_verifying import verify_lines
from duestream.turns import HOME, Desk
from duestream.verifying import Report, Verification
from scheduler.due import Taken
from scheduler.turns import Turns as TurnsDue
from tests.core import projector_of
from tests.running import until
from tests.stores import Store

ORIGIN = Origin(at="", by="test", cause="request-1")
STEPS = {"": (WAITING,), WAITING: (CALLED, "left"), CALLED: (SERVING, LAPSED, "left"), SERVING: (SERVED,)}
QUICK = QueueSettings(claim_seconds=0.06, serve_seconds=0.06)


class Hall:
    """Queues on one store: nothing happens unless a test does it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.desk = self.another_desk()
        self.turns = Turns(server)
        name = f"projector-{os.urandom(4).hex()}"
        self.consumer = projector_of(server, HOME, name, kind="tokens")

    def another_desk(self, *, ban: str = "forever", takes_per_minute: int = 0) -> Desk:
        """Another process's."""
        process = f"test-{os.urandom(4).hex()}"
        return Desk(self.server, process=process, ban=ban, takes_per_minute=takes_per_minute)

    async def open(self, queue: str = "cats", **settings: object) -> None:
        await self.desk.configure(queue, msgspec.structs.replace(QueueSettings(), **settings), ORIGIN)

    async def take(self, many: int, queue: str = "cats") -> list[str]:
        return [(await self.desk.take(queue, ORIGIN)).label for _ in range(many)]

    async def entries(self) -> list[Entry]:
        reply = await self.server.call("XRANGE", HOME.journal("tokens"), "-", "+")
        return [entry_of(entry, fields) for entry, fields in reply]

    async def told(self) -> list[str]:
        """What the journal says of tokens, as `called A00`."""
        return [
            f"{entry.type.removeprefix('token.')} {token_in(entry.id)[1]}"
            for entry in await self.entries()
            if entry.type in STATUS_OF
        ]

    async def project(self) -> None:
        """Apply all that is new."""
        await self.consumer.join()
        while batch := await self.consumer.read(count=500, block_ms=1):
            await apply(self.server, HOME, TOKENS, batch)

    async def schedule(self) -> int:
        """One round of a scheduler; how many entries were due."""
        await self.project()
        reply = await self.server.run("take", [HOME.due_tokens(), HOME.wake_due()], [200, 1])
        taken = dict(zip(reply[3::2], (int(float(due)) for due in reply[4::2]), strict=True))
        if taken:
            now = int(reply[0])
            await TurnsDue(self.server, HOME, self.desk).act(Taken(now, now + 1, taken))
        return len(taken)

    async def verify(self) -> list[str]:
        """What `duestream verify` finds, as "<id>: <what>"."""
        await self.project()
        report = Report()
        await Verification(self.server, HOME, TOKENS).run(report)
        await verify_lines(self.server, report)
        return [f"{each.id}: {each.what}" for each in report.differences]

    async def rebuild(self) -> int:
        return await rebuild(self.server, HOME, TOKENS)

    async def clock(self) -> int:
        return await self.server.clock_ms()


@contextlib.asynccontextmanager
async def hall_on(store: Store) -> AsyncIterator[Hall]:
    async with connect(store.url) as server:
        yield Hall(server)


class _Seen(msgspec.Struct):
    label: str
    status: str = ""
    rev: int = 0
    deadline: int = 0


class _Line(msgspec.Struct):
    """A queue as far as the journal was read."""

    counters: int = 0
    tokens: dict[int, _Seen] = {}
    owed: bool = False  # there is a free counter, and somebody waits

    def of(self, *statuses: str) -> list[int]:
        return sorted(n for n, token in self.tokens.items() if token.status in statuses)


def broken_laws(entries: Sequence[Entry]) -> list[str]:
    """What is wrong with a history of turns; nothing, if it is well.

    Tokens go the ways that there are and end once; whoever is called is the first of those who wait; never are more
    called and served than there are counters; no two living tokens have one label, and a new one has the smallest that
    is free; nobody is called while he could not come, nor left waiting beside a free counter; nothing ends early.
    """
    lines: dict[str, _Line] = {}
    broken: list[str] = []
    for entry in entries:
        event = queues.EVENTS.decode(entry)
        if isinstance(event, QueueConfigured):
            line = lines.setdefault(entry.id, _Line())
            line.counters = event.counters
        elif entry.type in STATUS_OF:
            name, label, n = token_in(entry.id)
            line = lines[name]
            wrong = _step(line, label, n, entry)
            broken += [f"{entry.entry} {entry.type} {entry.id}: {each}" for each in wrong]
        else:
            continue
        line.owed = bool(line.of(WAITING)) and len(line.of(CALLED, SERVING)) < line.counters
    return broken + [f"{name}: somebody waits beside a free counter" for name, line in lines.items() if line.owed]


def _step(line: _Line, label: str, n: int, entry: Entry) -> list[str]:
    token = line.tokens.setdefault(n, _Seen(label))
    status, at, before = STATUS_OF[entry.type], instants.ms(entry.at), token.status
    wrong: list[str] = []
    if status not in STEPS.get(before, ()):
        wrong.append(f"it was {before or 'not there'}")
    if entry.rev != token.rev + 1:
        wrong.append(f"revision {entry.rev} after {token.rev}")
    if status == WAITING:
        living = {each.label for each in line.tokens.values() if each.status in LIVE}
        if n != max(line.tokens):
            wrong.append("its number is not the next one")
        if label != next(each for each in map(label_of, range(10_000)) if each not in living):
            wrong.append("its label is not the smallest that is free")
    if status == CALLED and line.of(WAITING)[:1] != [n]:
        wrong.append(f"the first in line is {line.of(WAITING)[:1]}")
    if line.owed and status in (WAITING, SERVING):
        wrong.append("somebody waits beside a free counter")
    if status == LAPSED and at < token.deadline:
        wrong.append("it had time left")
    if status == SERVING and at >= token.deadline:
        wrong.append("its time was over")
    if status == SERVED and entry.by == "scheduler" and at < token.deadline:
        wrong.append("its service had time left")
    expires_at = msgspec.json.decode(entry.data).get("expires_at")
    token.status, token.rev = status, entry.rev
    token.deadline = instants.ms(expires_at) if expires_at else 0
    if status == CALLED and len(line.of(CALLED, SERVING)) > line.counters:
        wrong.append("too many are called and served")
    return wrong


def label_of(index: int) -> str:
    """The label with a place in their order: what `lua/_labels.lua` must agree with."""
    letters, block = 1, 2600
    while index >= block:
        index, letters, block = index - block, letters + 1, block * 26
    text = ""
    rest = index // 100
    for _ in range(letters):
        text = chr(65 + rest % 26) + text
        rest //= 26
    return f"{text}{index % 100:02}"


async def passed(hall: Hall, ms: int) -> None:
    async def later() -> bool:
        return await hall.clock() >= ms

    await until(later, "the time has passed")
