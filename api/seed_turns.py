"""/get-token, /post-token, /update, /start-delay: the queue `cats`, on the paths and in the words of the original.

It answered everything with status 200 and a word; what it had no word for is told as a problem.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from api.addresses import Visitors
from api.bodies import Body
from api.problems import Problem
from api.queue_events import QueueEvents, listen
from api.queues import NO_STORE, QueueRoutes, picture_path
from api.requests import header, origin
from api.responses import Encoded
from api.services import Services
from duestream.queues import FIRST_QUEUE
from duestream.turns import Banned, Cheated, EmptyQueue, NoToken, NotYourTurn, Over


class GivenToken(msgspec.Struct, frozen=True, omit_defaults=True):
    """A token, or word that the address is banned."""

    status: Literal["ok", "banned"]
    token: str = ""


class PostedToken(msgspec.Struct, frozen=True):
    """The token whose turn its visitor says it is."""

    token_field: Annotated[str, Meta(min_length=1, max_length=64)] = msgspec.field(name="token-field")


class TokenAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the picture is, or why there is none."""

    status: Literal["success", "wrong_turn", "cheater", "banned", "db_empty"]
    image_url: str = ""


class Ended(msgspec.Struct, frozen=True):
    """Nobody is served any more."""

    status: Literal["ok", "banned"]


POSTED = Body(PostedToken, form=(), example={"token-field": "A00"})


class SeedTurnRoutes:
    """The handlers."""

    def __init__(self, services: Services, visitors: Visitors, queues: QueueRoutes) -> None:
        self._desk = services.desk
        self._hub = services.hub
        self._limit = services.settings.body_limit
        self._visitors = visitors
        self._queues = queues

    async def get_token(self, request: Request) -> Response:
        """GET /get-token: take a token."""
        _refuse_other_sites(request)
        try:
            token = await self._desk.take(FIRST_QUEUE, origin(request), address=self._visitors.of(request.scope))
        except Banned:
            return _said(GivenToken("banned"))
        return _said(GivenToken("ok", token.label))

    async def post_token(self, request: Request) -> Response:
        """POST /post-token: claim a token, and be told where its picture is."""
        label = (await POSTED.one(request, self._limit)).token_field.strip().upper()[:16]
        try:
            token = await self._desk.claim(
                FIRST_QUEUE, label, origin(request), address=self._visitors.of(request.scope)
            )
        except Cheated:
            return _said(TokenAnswer("cheater"))
        except Banned:
            return _said(TokenAnswer("banned"))
        except EmptyQueue:
            return _said(TokenAnswer("db_empty"))
        except NotYourTurn:
            return _said(TokenAnswer("wrong_turn"))
        except Over as over:
            return _said(TokenAnswer("wrong_turn" if over.left else "db_empty"))
        return _said(TokenAnswer("success", picture_path(FIRST_QUEUE, token)))

    async def update(self, request: Request) -> QueueEvents:
        """GET /update: what becomes of the tokens, as server-sent events."""
        await self._queues.let_in(FIRST_QUEUE, request)
        return await listen(request, self._hub, FIRST_QUEUE)

    async def start_delay(self, request: Request) -> Response:
        """GET /start-delay: end the service of whoever is served."""
        _refuse_other_sites(request)
        try:
            await self._desk.finish(FIRST_QUEUE, "", origin(request), address=self._visitors.of(request.scope))
        except Banned:
            return _said(Ended("banned"))
        except (NoToken, NotYourTurn, Over):
            pass  # nobody was served
        return _said(Ended("ok"))


def _refuse_other_sites(request: Request) -> None:
    """Raises Problem where a page of another site has a browser get this: it would change something here."""
    if header(request, b"sec-fetch-site") in ("cross-site", "same-site"):
        raise Problem(403, "wrong-origin", "a page of another site cannot do this")


def _said(value: msgspec.Struct) -> Encoded:
    return Encoded(msgspec.json.encode(value), 200, NO_STORE)
