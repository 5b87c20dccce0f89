"""/v1/queues: take a token, see the queue, claim, finish, leave; and the picture, while a token is served."""

import hmac
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api.addresses import Visitors
from api.bodies import Body
from api.pictures import Pictures
from api.problems import Problem, invalid
from api.query import Query
from api.queue_events import QueueEvents, listen
from api.queue_types import (
    LONGEST_CODE,
    ClaimedView,
    QueueEdit,
    QueueList,
    WithCode,
    board_view,
    queue_view,
    token_view,
)
from api.refusals import problem_of
from api.requests import once, origin
from api.responses import Encoded
from api.services import Services
from api.task_lists import CONSISTENCY
from duestream.errors import Misuse
from duestream.instants import stamp_ms
from duestream.queues import LIVE, NAME, SERVING, QueueSettings, ban_ms
from duestream.turn_reading import MOST, Board
from duestream.turns import NoQueue, Over, Standing, WrongCode


class NewToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """There is nothing to say about a new token."""


SHOWN = 64  # tokens that wait, in a board
TAKE = Body(NewToken, optional=True, example={})
CODE = Body(WithCode, optional=True, example={"code": "K7Q2MX"})
EDIT = Body(QueueEdit, example={"claim_seconds": 30, "counters": 2})
NO_CODE = WithCode()
FORMATS = ("svg", "png")
FLAGS = ("0", "1")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"  # of a picture that is opened by itself
NO_STORE = {"cache-control": "no-store"}
_LONGEST_LABEL = 16
_encode = msgspec.json.Encoder().encode


class QueueRoutes:
    """The handlers; they know the services of their process, and nothing of streams."""

    def __init__(self, services: Services, visitors: Visitors, pictures: Pictures) -> None:
        self._desk = services.desk
        self._turns = services.turns
        self._hub = services.hub
        self._limit = services.settings.body_limit
        self._visitors = visitors
        self._pictures = pictures
        self._shown: tuple[Board, bytes] | None = None

    async def list(self, _: Request) -> Response:
        """GET /v1/queues: all queues, by name."""
        found = await self._turns.queues()
        return _json(QueueList([queue_view(name, settings) for name, settings in found]), 200)

    async def configure(self, request: Request) -> Response:
        """PUT /v1/queues/{queue}: make a queue, or have it work so from now on."""
        edit = await EDIT.one(request, self._limit)
        queue: str = request.path_params["queue"]
        if not NAME.fullmatch(queue):
            raise invalid(
                "queue", "expected a name of 1 to 64 letters, digits and _ . - that begins with none of these"
            )
        settings = QueueSettings(**{**msgspec.structs.asdict(edit), "ban": edit.ban or ""})
        if edit.ban is not None:
            try:
                ban_ms(edit.ban)
            except Misuse as error:
                raise invalid("ban", str(error)) from None
        rev = await self._desk.configure(queue, settings, origin(request), once=once(request, edit))
        return _json(queue_view(queue, settings), 201 if rev == 1 else 200)

    async def board(self, request: Request) -> Response:
        """GET /v1/queues/{queue}: who is served, who is called, who waits."""
        limit, fresh = SHOWN, True
        if request.scope["query_string"]:
            query = Query(request)
            limit = query.whole("limit", SHOWN, least=0, most=MOST)
            fresh = query.choice("consistency", CONSISTENCY) == "strong"
        address = self._visitors.of(request.scope)
        board = await self._turns.boards.get(queue_of(request), limit=limit, address=address, fresh=fresh)
        shown = self._shown
        if shown is None or shown[0] is not board:  # many share one
            shown = self._shown = (board, _encode(board_view(board)))
        return Encoded(shown[1], 200, NO_STORE)

    async def events(self, request: Request) -> QueueEvents:
        """GET /v1/queues/{queue}/events: what becomes of its tokens, from now on or after an event."""
        queue = queue_of(request)
        await self.let_in(queue, request)
        return await listen(request, self._hub, queue)

    async def let_in(self, queue: str, request: Request) -> None:
        """Raises Banned, NoQueue, Unavailable."""
        await self._turns.boards.get(queue, limit=0, address=self._visitors.of(request.scope))

    async def take(self, request: Request) -> Response:
        """POST /v1/queues/{queue}/tokens: take a token, and stand in line."""
        body = await TAKE.one(request, self._limit)
        queue = queue_of(request)
        token = await self._desk.take(
            queue, origin(request), address=self._visitors.of(request.scope), once=once(request, body)
        )
        view = token_view(queue, token, code=token.code)
        return _json(view, 201, {"location": f"/v1/queues/{queue}/tokens/{token.label}"})

    async def read(self, request: Request) -> Response:
        """GET /v1/queues/{queue}/tokens/{token}: how it stands with a token."""
        fresh = Query(request).choice("consistency", CONSISTENCY) == "strong"
        queue, label = queue_of(request), label_of(request)
        token = await self._turns.token(queue, label, address=self._visitors.of(request.scope), fresh=fresh)
        if token.status not in LIVE:
            raise problem_of(Over(token.status, 0))
        picture = picture_path(queue, token) if token.status == SERVING and not token.code else ""
        return _json(token_view(queue, token, picture=picture), 200)

    async def claim(self, request: Request) -> Response:
        """POST /v1/queues/{queue}/tokens/{token}/claim: it is my turn, serve me."""
        body = await CODE.one(request, self._limit)
        queue, label, code = queue_of(request), label_of(request), _code(request, body)
        token = await self._desk.claim(
            queue, label, origin(request), address=self._visitors.of(request.scope), code=code, once=once(request, body)
        )
        view = ClaimedView(
            queue=queue,
            token=token.label,
            number=token.number,
            status=token.status,
            picture=picture_path(queue, token, code),
            expires_at=stamp_ms(token.deadline),
            server_time=stamp_ms(token.now),
        )
        return _json(view, 200)

    async def finish(self, request: Request) -> Response:
        """POST /v1/queues/{queue}/tokens/{token}/finish: end the service before its time is up."""
        code = _code(request, await CODE.one(request, self._limit))
        address = self._visitors.of(request.scope)
        await self._desk.finish(queue_of(request), label_of(request), origin(request), address=address, code=code)
        return Response(status_code=204)

    async def leave(self, request: Request) -> Response:
        """DELETE /v1/queues/{queue}/tokens/{token}: give a token back."""
        code = _code(request)
        address = self._visitors.of(request.scope)
        await self._desk.leave(queue_of(request), label_of(request), origin(request), address=address, code=code)
        return Response(status_code=204)

    async def picture(self, request: Request) -> Response:
        """GET /v1/queues/{queue}/tokens/{token}/picture: its picture, while it is served."""
        query = Query(request)
        png = query.choice("format", FORMATS) == "png"
        download = query.choice("download", FLAGS) == "1"
        queue, label = queue_of(request), label_of(request)
        token = await self._turns.find(queue, label, address=self._visitors.of(request.scope))
        _refuse(token, _code(request))
        found = await self._pictures.of(f"{queue}/{token.number}", png=png)
        disposition = "attachment" if download else "inline"
        headers = {
            **NO_STORE,
            "content-disposition": f'{disposition}; filename="{found.name}"',
            "content-security-policy": POLICY,
            "x-content-type-options": "nosniff",
        }
        return Response(found.body, 200, headers, found.media_type)


def _refuse(token: Standing, code: str) -> None:
    """Raises Problem where a token is not served, or by whoever has another code."""
    if token.status == SERVING and token.now < token.deadline:
        if not hmac.compare_digest(token.code.encode(), code.encode()) and token.code:
            raise problem_of(WrongCode())
        return
    if token.status == SERVING:
        raise problem_of(Over("served", 0))
    if token.status not in LIVE:
        raise problem_of(Over(token.status, 0))
    detail = f"{token.label} is {token.status}: there is a picture while it is served"
    raise Problem(409, "not-your-turn", detail, headers={"retry-after": "1"}, members={"token": token.label})


def queue_of(request: Request) -> str:
    """The queue that a path names. Raises NoQueue for what can be none's name."""
    name: str = request.path_params["queue"]
    if not NAME.fullmatch(name):
        raise NoQueue
    return name


def label_of(request: Request) -> str:
    """The token that a path names, in capitals."""
    return request.path_params["token"].strip().upper()[:_LONGEST_LABEL]  # type: ignore[no-any-return]


def picture_path(queue: str, token: Standing, code: str = "") -> str:
    """Where a token's picture is while it is served."""
    path = f"/v1/queues/{queue}/tokens/{token.label}/picture"
    return f"{path}?code={code}" if code else path


def _code(request: Request, body: WithCode = NO_CODE) -> str:
    """The code that the body or the query tells; one that none can be where it makes no sense. Raises Problem."""
    given = Query(request).text("code") or ""
    if len(given) > LONGEST_CODE:
        raise invalid("code", f"expected at most {LONGEST_CODE} characters")
    code = (body.code or given).strip().upper()
    return code if code.isascii() and code.isalnum() else "-" if code else ""


def _json(value: Any, status: int, headers: dict[str, str] | None = None) -> Encoded:
    return Encoded(_encode(value), status, {**NO_STORE, **(headers or {})})
