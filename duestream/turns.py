"""Asking for turns: what visitors, operators and schedulers want of queues is gathered, and decided by `lua/turn.lua`.

All queues live in shard 0: a ban holds for all of them, and a turn needs one order. A process has one call on its way;
a call has a number, and one whose answer was lost is sent again and carried out once.
"""

import base64
import os
from functools import lru_cache
from typing import Any

import msgspec

from duestream.errors import DuestreamError, KeyReused
from duestream.events import Origin, data_of
from duestream.gate import Gate
from duestream.journal import LANE_MS, LARGEST_CALL, ONCE_MS, PATIENCE, Once, Tally
from duestream.keys import Keys
from duestream.queues import (
    FIRST_QUEUE,
    QueueConfigured,
    QueueSettings,
    TokenClaimed,
    TokenLeft,
    TokenServed,
    TokenTaken,
    ban_ms,
    eta,
)
from duestream.server import Server

_CODE = 6
_TYPES = {"take": TokenTaken.type, "claim": TokenClaimed.type, "finish": TokenServed.type, "leave": TokenLeft.type}
HOME = Keys(0)


class TurnRefused(DuestreamError):
    """A visitor cannot have what he asked for."""


class Banned(TurnRefused):
    """His address is kept out. ends: ms, 0: never."""

    def __init__(self, reason: str, ends: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.ends = ends


class Cheated(Banned):
    """He claimed a token that was never given; reason "": that had no consequence."""


class NoQueue(TurnRefused):
    """There is no such queue."""


class NoToken(TurnRefused):
    """No token has had this label."""


class EmptyQueue(TurnRefused):
    """Nobody waits, and nobody was called."""


class WrongCode(TurnRefused):
    """The token's code is another one."""


class TooOften(TurnRefused):
    """Too many requests from this address. wait: ms."""

    def __init__(self, wait: int) -> None:
        super().__init__("too many requests from this address")
        self.wait = wait


class QueueFull(TurnRefused):
    """As many wait as may."""

    def __init__(self, waiting: int) -> None:
        super().__init__(f"{waiting} wait already")
        self.waiting = waiting


class Over(TurnRefused):
    """The token has ended, or was claimed. status: as what; left: how many tokens of the queue live."""

    def __init__(self, status: str, left: int) -> None:
        super().__init__(status)
        self.status = status
        self.left = left


class Standing(msgspec.Struct, frozen=True):
    """How a token stands. Times in ms, deadline 0: none; ahead: how many wait, are called or served before it; eta:
    seconds until it is called, at least and at most.
    """

    label: str
    number: int
    status: str
    taken: int
    deadline: int
    ahead: int
    eta: tuple[int, int] | None
    now: int
    code: str = ""


class NotYourTurn(TurnRefused):
    """It is another's turn. wait: ms until the next who was called has had his time."""

    def __init__(self, standing: Standing, wait: int) -> None:
        super().__init__(standing.status)
        self.standing = standing
        self.wait = wait


class Asked(msgspec.Struct, frozen=True):
    """One request, as the script takes it."""

    step: str
    queue: str
    origin: Origin
    address: str = ""
    arguments: tuple[str, str, str] = ("", "", "")
    once: Once | None = None


class Desk:
    """One process's way to the queues."""

    def __init__(self, server: Server, *, process: str, ban: str = "forever", takes_per_minute: int = 0) -> None:
        self._server = server
        self._process = process
        self._limits = (takes_per_minute, ban_ms(ban))
        self._calls = 0
        self._gate = Gate(self._call, largest=LARGEST_CALL)
        self.tally = Tally()

    async def take(self, queue: str, origin: Origin, *, address: str = "", once: Once | None = None) -> Standing:
        """A new token, perhaps called at once. Raises TurnRefused, KeyReused, Unavailable; so do all of these."""
        code = base64.b32encode(os.urandom(5))[:_CODE].decode()  # neither 0 nor 1, which look like others
        return _standing(*await self._ask(Asked("take", queue, origin, address, (code, "", ""), once)))

    async def claim(
        self, queue: str, label: str, origin: Origin, *, address: str = "", code: str = "", once: Once | None = None
    ) -> Standing:
        """Have a token served that was called."""
        return _standing(*await self._ask(Asked("claim", queue, origin, address, (label, code, ""), once)))

    async def finish(self, queue: str, label: str, origin: Origin, *, address: str = "", code: str = "") -> None:
        """End the service of a token; label "": of whoever is served."""
        await self._ask(Asked("finish", queue, origin, address, (label, code, "")))

    async def leave(self, queue: str, label: str, origin: Origin, *, address: str = "", code: str = "") -> None:
        """Give a token back, whatever its status."""
        await self._ask(Asked("leave", queue, origin, address, (label, code, "")))

    async def settle(self, queue: str, origin: Origin) -> None:
        """End what is past its deadline, and call the next."""
        await self._ask(Asked("settle", queue, origin))

    async def configure(
        self, queue: str, settings: QueueSettings, origin: Origin, *, only_new: bool = False, once: Once | None = None
    ) -> int:
        """Make a queue, or have it work so from now on; its revision."""
        ban = str(ban_ms(settings.ban)) if settings.ban else "-"
        numbers = (
            f"{round(settings.claim_seconds * 1000)} {round(settings.serve_seconds * 1000)} {settings.counters}"
            f" {settings.codes:d} {settings.max_waiting} {ban}"
        )
        data = data_of(QueueConfigured(**msgspec.structs.asdict(settings))).decode()
        asked = Asked("configure", queue, origin, "", (data, numbers, "1" if only_new else ""), once)
        _, answer = await self._ask(asked)
        return int(answer[1])

    async def unban(self, address: str, origin: Origin, *, if_due: bool = False) -> bool:
        """Let an address in again (if_due: only where its ban's end has come); whether there was a ban to end."""
        _, answer = await self._answer(Asked("unban", "", origin, "", (address, "1" if if_due else "", "")))
        return bool(answer[0] == "ok")

    async def _ask(self, asked: Asked) -> tuple[int, list[Any]]:
        now, answer = await self._answer(asked)
        verdict = answer[0]
        if verdict == "ok":
            return now, answer
        raise _refusal(now, answer)

    async def _answer(self, asked: Asked) -> tuple[int, list[Any]]:
        now, answer = await self._gate.submit(asked)
        type = _TYPES.get(asked.step)
        if type is not None:
            counts = self.tally.appended if answer[0] == "ok" else self.tally.refused
            counts[type] = counts.get(type, 0) + 1
        return now, answer

    async def _call(self, batch: list[Asked]) -> list[tuple[int, list[Any]]]:
        self._calls += 1
        names = [
            HOME.journal("tokens"),
            HOME.heads("tokens"),
            HOME.ids("tokens"),
            HOME.lane("tokens", self._process),
            HOME.bans(),
            HOME.takes(),
        ]
        queues: dict[str, int] = {"": 0}
        onces: list[str] = []
        requests: list[str | int] = []
        for asked in batch:
            number = queues.get(asked.queue)
            if number is None:
                number = queues[asked.queue] = len(queues)
                queue = asked.queue
                names += (HOME.queue(queue), HOME.line(queue), HOME.records(queue), HOME.free(queue), HOME.out(queue))
            once, origin = asked.once, asked.origin
            if once is not None:
                onces.append(HOME.once(once.digest))
            fingerprint = "" if once is None else once.fingerprint
            requests += (asked.step, number, fingerprint, origin.by, origin.cause, origin.trace, asked.address)
            requests += asked.arguments
        args: list[str | int] = [self._calls, LANE_MS, ONCE_MS, *self._limits, len(queues) - 1, *list(queues)[1:]]
        said = await self._server.run("turn", [*names, *onces], [*args, *requests], patience=PATIENCE)
        now, answers = msgspec.json.decode(said)
        return [(now, answer) for answer in answers]


async def open_first_queue(desk: Desk, by: str) -> None:
    """Have the queue that exists from the start."""
    await desk.configure(FIRST_QUEUE, QueueSettings(), Origin(at="", by=by), only_new=True)


def _standing(now: int, answer: list[Any]) -> Standing:
    _, label, number, status, taken, deadline, before, called, counters, turns, code = answer[:11]
    waits = status == "waiting"
    return Standing(
        label=label,
        number=int(number),
        status=status,
        taken=taken,
        deadline=deadline,
        ahead=before + called if waits else 0,
        eta=eta(before, counters, _turns(turns)) if waits else (0, 0),
        now=now,
        code=code,
    )


@lru_cache(maxsize=16)  # many answers share a call
def _turns(text: str) -> list[int]:
    return [int(each) for each in text.split()]


def _refusal(now: int, answer: list[Any]) -> DuestreamError:
    match answer:
        case ["banned", reason, ends]:
            return Banned(reason, ends)
        case ["cheat", reason, ends]:
            return Cheated(reason, ends)
        case ["early", *_]:
            return NotYourTurn(_standing(now, answer), answer[11])
        case ["over", status, left]:
            return Over(status, left)
        case ["often", wait]:
            return TooOften(wait)
        case ["full", waiting]:
            return QueueFull(waiting)
        case ["reused"]:
            return KeyReused()
    return {"unknown": NoQueue, "absent": NoToken, "empty": EmptyQueue, "code": WrongCode}[answer[0]]()
