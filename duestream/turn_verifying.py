"""Whether the lines that decide whose turn it is, and the bans, equal a fold of the journal; while everything runs."""

from typing import Any

from duestream.applying import TOKENS
from duestream.changes import Change
from duestream.folding import Fold
from duestream.queues import BANS, CALLED, QUEUES, SERVING, WAITING, place, token_in
from duestream.server import Server
from duestream.turns import HOME
from duestream.verifying import Difference, Report

ROUNDS = 50


async def verify_lines(server: Server, report: Report) -> None:
    """Compare each queue at a moment at which the fold has come as far as the journal."""
    fold = Fold(server, HOME, TOKENS)
    await fold.advance()
    queues = [id for id, change in fold.changes.items() if change.place == QUEUES]
    for n, queue in enumerate(queues):
        names = [HOME.journal("tokens"), HOME.line(queue), HOME.out(queue), HOME.bans()]
        for _ in range(ROUNDS):
            last, line, out, bans = await server.run("turn_kept", names, [])
            await fold.advance()
            if fold.upto == last:
                live = fold.live()
                report.differences += _of_queue(queue, live, _pairs(line), _pairs(out))
                if n == 0:  # they hold for all queues
                    report.differences += _of_bans(live, _pairs(bans))
                break


def _of_queue(queue: str, live: dict[str, Change], line: dict[str, str], out: dict[str, str]) -> list[Difference]:
    kept = {f"{queue}/{label}/{_whole(number)}" for label, number in line.items()}
    known = {id for id, change in live.items() if change.place == place(queue, WAITING)}
    taken = (place(queue, CALLED), place(queue, SERVING))
    served = {token_in(id)[1]: change.number for id, change in live.items() if change.place in taken}
    found = [_difference(id, f"in the line: {id in kept}, journal says {id in known}") for id in sorted(kept ^ known)]
    deadlines = {label: _whole(deadline) for label, deadline in out.items()}
    return found + [
        _difference(f"{queue}/{label}", f"due at {deadlines.get(label)}, journal says {served.get(label)}")
        for label in sorted(deadlines.keys() | served.keys())
        if deadlines.get(label) != served.get(label)
    ]


def _of_bans(live: dict[str, Change], bans: dict[str, str]) -> list[Difference]:
    kept = {f"@{address}/{ban.split(' ')[1]}" for address, ban in bans.items()}
    known = {id for id, change in live.items() if change.place == BANS}
    return [_difference(id, f"banned: {id in kept}, journal says {id in known}") for id in sorted(kept ^ known)]


def _difference(id: str, what: str) -> Difference:
    return Difference("tokens", HOME.shard, id, what)


def _whole(score: str) -> int:
    return int(float(score))


def _pairs(flat: list[Any]) -> dict[str, str]:
    pairs = flat if flat and isinstance(flat[0], list) else zip(flat[::2], flat[1::2], strict=True)
    return dict(pairs)
