"""What a refusal at a queue means over HTTP. Each has a kind of its own, so that clients can tell them apart."""

from math import ceil

from starlette.requests import Request
from starlette.responses import Response

from api.problems import Problem, not_found
from duestream.instants import stamp_ms
from duestream.turns import (
    Banned,
    Cheated,
    EmptyQueue,
    NoQueue,
    NoToken,
    NotYourTurn,
    Over,
    QueueFull,
    TooOften,
    TurnRefused,
    WrongCode,
)

FULL_AFTER = {"retry-after": "5"}
_ENDS = {
    "served": "has been served",
    "lapsed": "was called and not claimed in time",
    "left": "was given back",
    "serving": "was claimed already",
}


def problem_of(refusal: TurnRefused) -> Problem:
    """The problem that tells a refusal."""
    match refusal:
        case Cheated(reason=""):
            return Problem(403, "cheater", "this token was never given")
        case Cheated():
            return Problem(403, "cheater", f"you are banned{_until(refusal)}: you {refusal.reason}")
        case Banned():
            return Problem(403, "banned", f"this address is banned{_until(refusal)}: it {refusal.reason}")
        case NotYourTurn(standing=standing):
            called = standing.status == "called"
            detail = (
                f"{standing.label} is called, but not claimed yet" if called
                else f"it is not the turn of {standing.label} yet: {standing.ahead:,} before it"
            )  # fmt: skip
            members = {
                "token": standing.label,
                "position": standing.ahead + 1,
                "ahead": standing.ahead,
                "server_time": stamp_ms(standing.now),
            }
            return Problem(409, "not-your-turn", detail, headers=_after(refusal.wait), members=members)
        case Over():
            detail = f"this token {_ENDS[refusal.status]}; take another one"
            return Problem(410, "over", detail, members={"token_status": refusal.status})
        case EmptyQueue():
            return Problem(404, "empty", "the queue is empty: nobody waits, and nobody was called")
        case NoQueue():
            return not_found("there is no such queue")
        case NoToken():
            return not_found("there is no such token")
        case WrongCode():
            return Problem(403, "wrong-code", "code: this is not the code of this token")
        case TooOften():
            return Problem(429, "too-often", "too many requests from this address", headers=_after(refusal.wait))
        case QueueFull():
            detail = f"{refusal.waiting:,} wait already, which is as many as may"
            return Problem(503, "queue-full", detail, headers=FULL_AFTER)
    raise AssertionError(f"a refusal that nobody knows: {refusal!r}")


async def on_refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, TurnRefused)
    return problem_of(error).response()


def _until(ban: Banned) -> str:
    return f" until {stamp_ms(ban.ends)}" if ban.ends else ""


def _after(ms: int) -> dict[str, str]:
    return {"retry-after": str(max(1, ceil(ms / 1000)))}
