"""What clients send and get about queues, tokens and bans."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.task_types import Stamp
from duestream.instants import stamp_ms
from duestream.queues import LIVE, QueueSettings
from duestream.turn_reading import Ban, Board
from duestream.turns import Standing

LONGEST_CODE = 64

Token = Annotated[str, Meta(description="a label such as A00", examples=["A00"])]
Seconds = Annotated[float, Meta(ge=0.05, le=7 * 86_400, examples=[60])]
Code = Annotated[str, Meta(max_length=LONGEST_CODE, examples=["K7Q2MX"])]


class QueueEdit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a queue is to work; what is not given is as by default."""

    claim_seconds: Seconds = 60.0
    serve_seconds: Seconds = 60.0
    counters: Annotated[int, Meta(ge=1, le=1000, description="how many are served at once")] = 1
    codes: Annotated[bool, Meta(description="a claim needs the token's code too")] = False
    max_waiting: Annotated[int, Meta(ge=1, le=1_000_000)] = 100_000
    ban: Annotated[
        str | None,
        Meta(
            description="of who claims a token that was never given: forever, none or a span such as 1h; null: as the"
            " service has it",
            examples=["1h"],
            extra_json_schema={"pattern": "^(forever|none|[0-9]{1,6}[smhd])$"},  # `ban_ms` takes longer spans too
        ),
    ] = None


class QueueView(msgspec.Struct, frozen=True):
    """A queue's settings."""

    queue: str
    claim_seconds: float
    serve_seconds: float
    counters: int
    codes: bool
    max_waiting: int
    ban: str | None


class QueueList(msgspec.Struct, frozen=True):
    """All queues by name."""

    queues: list[QueueView]


class Eta(msgspec.Struct, frozen=True):
    """Seconds, at least and at most, as the last turns went."""

    low: int
    high: int


class Turn(msgspec.Struct, frozen=True):
    """A token that is called or served, and until when."""

    token: Token
    expires_at: Stamp


class Counts(msgspec.Struct, frozen=True):
    """How many tokens are in each status."""

    waiting: int
    called: int
    serving: int


class BoardView(QueueView, frozen=True, kw_only=True):
    """A queue. waiting: the first labels, in order; turn_seconds: how long a turn took lately; event: the last one on
    the journal that it certainly shows, to go on from at …/events.
    """

    serving: list[Turn]
    called: list[Turn]
    waiting: list[Token]
    counts: Counts
    turn_seconds: Eta | None
    event: str
    server_time: Stamp


class TokenView(msgspec.Struct, frozen=True):
    """A token. position: in the whole line, 1 is whose turn it is; ahead: how many come before; both null once it has
    ended. eta_seconds: until it is called, null where that is not known.
    """

    queue: str
    token: Token
    number: int
    status: str
    position: int | None
    ahead: int | None
    eta_seconds: Eta | None
    taken_at: Stamp
    server_time: Stamp
    expires_at: Stamp | UnsetType = UNSET
    code: Code | UnsetType = UNSET
    picture: str | UnsetType = UNSET


class ClaimedView(msgspec.Struct, frozen=True):
    """A token that is served, and where its picture is meanwhile."""

    queue: str
    token: Token
    number: int
    status: str
    picture: str
    expires_at: Stamp
    server_time: Stamp


class WithCode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The token's code, where the queue has codes."""

    code: Code = ""


class BanView(msgspec.Struct, frozen=True):
    """ends_at null: never."""

    address: str
    reason: str
    since: Stamp
    ends_at: Stamp | None


class BanList(msgspec.Struct, frozen=True):
    """Who is banned, since the longest time first."""

    bans: list[BanView]


class TurnEvent(msgspec.Struct, frozen=True):
    """What the `data` of a queue's server-sent event holds. id: <queue>/<label>/<number> of a token, or the queue's
    name; data: of a token its label, expires_at where it has a deadline, and how many wait after it.
    """

    event: str
    type: str
    id: str
    rev: int
    at: str
    data: msgspec.Raw


def queue_view(name: str, settings: QueueSettings) -> QueueView:
    return QueueView(queue=name, **_shown(settings))


def _shown(settings: QueueSettings) -> dict[str, Any]:
    return {**msgspec.structs.asdict(settings), "ban": settings.ban or None}


def board_view(board: Board) -> BoardView:
    return BoardView(
        queue=board.queue,
        **_shown(board.settings),
        serving=[Turn(label, stamp_ms(deadline)) for label, deadline in board.serving],
        called=[Turn(label, stamp_ms(deadline)) for label, deadline in board.called],
        waiting=board.waiting,
        counts=Counts(board.count, len(board.called), len(board.serving)),
        turn_seconds=None if board.turn is None else Eta(*board.turn),
        event=board.entry,
        server_time=stamp_ms(board.now),
    )


def token_view(queue: str, token: Standing, *, code: str = "", picture: str = "") -> TokenView:
    live = token.status in LIVE
    return TokenView(
        queue=queue,
        token=token.label,
        number=token.number,
        status=token.status,
        position=token.ahead + 1 if live else None,
        ahead=token.ahead if live else None,
        eta_seconds=None if token.eta is None else Eta(*token.eta),
        taken_at=stamp_ms(token.taken),
        server_time=stamp_ms(token.now),
        expires_at=stamp_ms(token.deadline) if token.deadline else UNSET,
        code=code or UNSET,
        picture=picture or UNSET,
    )


def ban_view(ban: Ban) -> BanView:
    return BanView(ban.address, ban.reason, ban.since, ban.ends_at or None)
