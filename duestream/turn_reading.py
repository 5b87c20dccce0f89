"""Reading queues: the board, one token, the bans. Whoever is banned is refused by the same read."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from duestream.fresh import Freshness
from duestream.instants import ms
from duestream.journal import PATIENCE
from duestream.queues import BANS, CALLED, LIVE, QUEUES, SERVING, WAITING, QueueSettings, eta, place, token_in
from duestream.server import Server
from duestream.turns import HOME, Banned, NoQueue, NoToken, Standing

MOST = 10_000  # tokens in one board
_settings = msgspec.json.Decoder(QueueSettings).decode


class Board(msgspec.Struct, frozen=True):
    """A queue. Labels in order, with the ms of their deadlines; entry: the last one that it certainly shows."""

    queue: str
    settings: QueueSettings
    serving: list[tuple[str, int]]
    called: list[tuple[str, int]]
    waiting: list[str]
    count: int
    turn: tuple[int, int] | None
    now: int
    entry: str


class Ban(msgspec.Struct, frozen=True):
    """since, ends_at: as `instants.stamp`; ends_at "": never."""

    address: str
    reason: str
    since: str
    ends_at: str


class _Flight:
    """One read of a board that several wait for."""

    def __init__(self) -> None:
        self.addresses: dict[str, int] = {}
        self.told: asyncio.Future[tuple[Board | None, list[str]]] = asyncio.get_running_loop().create_future()


class Boards:
    """Boards of one process: who asks while a read is under way shares the next one with all others who do."""

    def __init__(self, server: Server, fresh: Freshness) -> None:
        self._server = server
        self._fresh = fresh
        self._next: dict[tuple[str, int, bool], _Flight] = {}
        self._running: dict[tuple[str, int, bool], asyncio.Task[None]] = {}

    async def get(self, queue: str, *, limit: int, address: str, fresh: bool = True) -> Board:
        """Raises Banned, NoQueue, Behind, Unavailable."""
        key = (queue, limit, fresh)
        flight = self._next.get(key)
        if flight is None:
            flight = self._next[key] = _Flight()
            if key not in self._running:
                self._running[key] = asyncio.create_task(self._run(key))
        place = flight.addresses.setdefault(address, len(flight.addresses))
        board, bans = await asyncio.shield(flight.told)
        now = board.now if board is not None else 0
        refuse(bans[place], now)
        if board is None:
            raise NoQueue
        return board

    async def _run(self, key: tuple[str, int, bool]) -> None:
        try:
            while (flight := self._next.pop(key, None)) is not None:
                try:
                    flight.told.set_result(await self._read(*key, list(flight.addresses)))
                except Exception as error:
                    flight.told.set_exception(error)
                    flight.told.exception()  # whoever asked may have gone
        finally:
            del self._running[key]

    async def _read(
        self, queue: str, limit: int, fresh: bool, addresses: Sequence[str]
    ) -> tuple[Board | None, list[str]]:
        lists = [HOME.listed("tokens", place(queue, status)) for status in (SERVING, CALLED, WAITING)]
        names = [HOME.journal("tokens"), HOME.turn(queue), *lists, HOME.queue(queue), HOME.bans()]
        names.append(HOME.progress("tokens"))
        entry = "" if fresh else "-"

        async def read() -> list[Any] | None:
            nonlocal entry
            reply = await self._server.run("turn_board", names, [entry, limit, *addresses], patience=PATIENCE)
            entry = reply[0]
            return reply if reply[1] else None

        reply = await self._fresh.until(read)
        _, _, seconds, micros, settings, turns, serving, called, count, waiting, bans = reply
        if not settings:
            return None, bans
        board = Board(
            queue=queue,
            settings=_settings(settings),
            serving=_deadlines(serving),
            called=_deadlines(called),
            waiting=[id.split("/")[1] for id in waiting],
            count=count,
            turn=eta(0, 1, _whole(turns)),
            now=int(seconds) * 1000 + int(micros) // 1000,
            entry=entry,
        )
        return board, bans


class Turns:
    """The read models of queues, tokens and bans."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._fresh = Freshness(server, HOME)
        self.boards = Boards(server, self._fresh)

    async def find(self, queue: str, label: str, *, address: str) -> Standing:
        """The last token with a label, as it was decided; where it is in the line is not told.

        Raises Banned, NoQueue, NoToken, Unavailable.
        """
        names = [HOME.queue(queue), HOME.records(queue), HOME.bans()]
        ban, there, record, now = await self._server.run("turn_find", names, [label, address], patience=PATIENCE)
        refuse(ban, now)
        if not there:
            raise NoQueue
        if not record:
            raise NoToken
        number, _, status, taken, _, deadline, code = record.split(" ")
        return Standing(label, int(number), status, int(taken), int(deadline), 0, None, now, code)

    async def token(self, queue: str, label: str, *, address: str, fresh: bool = True) -> Standing:
        """The last token with a label. Raises what `find` does, and Behind."""
        found = await self.find(queue, label, address=address)
        if found.status not in LIVE:
            return found
        if fresh:
            await self._fresh.applied("tokens")
        id = f"{queue}/{label}/{found.number}"
        lists = [HOME.listed("tokens", place(queue, status)) for status in (SERVING, CALLED, WAITING)]
        reply = await self._server.run(
            "turn_place", [HOME.turn(id), *lists, HOME.queue(queue)], [id], patience=PATIENCE
        )
        where, expires_at, before, out, counters, turns, now = reply
        status = where.rpartition(":")[2]
        if status not in LIVE:  # it has ended meanwhile, or is not projected yet
            return found if not fresh else await self.find(queue, label, address=address)
        waits = status == WAITING
        return msgspec.structs.replace(
            found,
            status=status,
            deadline=ms(expires_at) if expires_at else 0,
            ahead=before + out if waits else 0,
            eta=eta(before, int(counters), _whole(turns)) if waits else (0, 0),
            now=now,
        )

    async def queues(self) -> list[tuple[str, QueueSettings]]:
        """All queues by name."""
        await self._fresh.applied("tokens")
        names: list[str] = await self._server.call("ZRANGE", HOME.listed("tokens", QUEUES), 0, -1, patience=PATIENCE)
        models = await self._models(names)
        return [(name, _settings(model["settings"])) for name, model in zip(names, models, strict=True) if model]

    async def bans(self) -> list[Ban]:
        """Who is banned, since the longest time first."""
        await self._fresh.applied("tokens")
        ids: list[str] = await self._server.call("ZRANGE", HOME.listed("tokens", BANS), 0, -1, patience=PATIENCE)
        models = await self._models(ids)
        return [Ban(m["address"], m["reason"], m["since"], m["ends_at"]) for m in models if m and "gone" not in m]

    async def _models(self, ids: list[str]) -> list[dict[str, str]]:
        calls = (self._server.call("HGETALL", HOME.turn(id), patience=PATIENCE) for id in ids)
        return list(await asyncio.gather(*calls))


def refuse(ban: str, now: int) -> None:
    """Raises Banned where a ban, as the write side has it, has not ended."""
    if ban:
        ends, _, reason = ban.split(" ", 2)
        if ends == "0" or int(ends) > now:
            raise Banned(reason, int(ends))


def _deadlines(flat: list[Any]) -> list[tuple[str, int]]:
    pairs = flat if flat and isinstance(flat[0], list) else list(zip(flat[::2], flat[1::2], strict=True))
    return [(token_in(id)[1], int(float(score))) for id, score in pairs]


def _whole(text: str) -> list[int]:
    return [int(each) for each in text.split()]
