"""What the API answers about turns: its part of the table."""

from collections.abc import Mapping
from typing import Any

from api.bans import BanRoutes
from api.parameters import BODY_PROBLEMS, ONCE, READ_CONSISTENCY
from api.queue_types import BanList, BoardView, ClaimedView, QueueList, QueueView, TokenView, TurnEvent
from api.queues import CODE, EDIT, FLAGS, FORMATS, SHOWN, TAKE, QueueRoutes
from api.resources import Answer, Operation, Parameter, Resource
from api.seed_turns import POSTED, Ended, GivenToken, SeedTurnRoutes, TokenAnswer
from duestream.queues import NAME
from duestream.turn_reading import MOST

QUEUE: Mapping[str, Any] = {"type": "string", "pattern": f"^{NAME.pattern}$", "examples": ["cats"]}
TOKEN: Mapping[str, Any] = {"type": "string", "pattern": "^[A-Z]{1,6}[0-9]{2}$", "examples": ["A00"]}
ADDRESS: Mapping[str, Any] = {"type": "string", "pattern": "^[0-9a-fA-F.:]+$", "examples": ["203.0.113.7"]}
EVENT: Mapping[str, Any] = {"type": "string", "pattern": "^[0-9]{1,15}(-[0-9]{1,15})?$"}
WITH_CODE = Parameter("code", {"type": "string", "maxLength": 64}, "the token's code, where the queue has codes")
LISTEN = (
    Parameter("since", EVENT, "goes on after the event with this id, as Last-Event-ID does"),
    Parameter("Last-Event-ID", EVENT, "goes on after the event with this id", "header"),
)
STREAM = Answer(
    "server-sent events as they come: `id` to resume by, `event` is the type, `data` a TurnEvent; a client that does"
    " not keep up is sent the event `reset` and let go",
    media_type="text/event-stream",
    shown=(TurnEvent,),
)
PICTURE = Answer("the picture", media_type="image/*")


def queues(routes: QueueRoutes) -> list[Resource]:
    """/v1/queues."""
    tag = "turns"
    token = Answer("the token", (TokenView,))
    board = Operation(
        routes.board, tag, {200: Answer("the queue", (BoardView,))}, (404, 422),
        parameters=(
            Parameter(
                "limit", {"type": "integer", "minimum": 0, "maximum": MOST}, f"of those who wait; {SHOWN} by default"
            ),
            READ_CONSISTENCY,
        ),
    )  # fmt: skip
    configured = {
        200: Answer("it works so now", (QueueView,)),
        201: Answer("it is made", (QueueView,)),
    }
    taken = Answer("taken", (TokenView,), headers={"Location": "where the token is"})
    claimed = {200: Answer("it is served", (ClaimedView,))}
    finish = Operation(routes.finish, tag, {204: Answer("ended")}, (*BODY_PROBLEMS, 404, 409, 410, 429), CODE,
                       (WITH_CODE,))  # fmt: skip
    return [
        _of(
            "/v1/queues/{queue}",
            {"GET": board, "PUT": Operation(routes.configure, tag, configured, (*BODY_PROBLEMS, 409), EDIT, (ONCE,))},
        ),
        _of(
            "/v1/queues/{queue}/tokens",
            {"POST": Operation(routes.take, tag, {201: taken}, (*BODY_PROBLEMS, 404, 429), TAKE, (ONCE,))},
        ),
        _of(
            "/v1/queues/{queue}/events",
            {"GET": Operation(routes.events, tag, {200: STREAM}, (404, 422), parameters=LISTEN)},
        ),
        _of(
            "/v1/queues/{queue}/tokens/{token}",
            {
                "GET": Operation(routes.read, tag, {200: token}, (404, 410, 422), parameters=(READ_CONSISTENCY,)),
                "DELETE": Operation(
                    routes.leave, tag, {204: Answer("given back")}, (404, 410, 422, 429), parameters=(WITH_CODE,)
                ),
            },
        ),
        _of(
            "/v1/queues/{queue}/tokens/{token}/claim",
            {
                "POST": Operation(
                    routes.claim, tag, claimed, (*BODY_PROBLEMS, 404, 409, 410, 429), CODE, (ONCE, WITH_CODE)
                )
            },
        ),
        _of("/v1/queues/{queue}/tokens/{token}/finish", {"POST": finish}),
        _of(
            "/v1/queues/{queue}/tokens/{token}/picture",
            {
                "GET": Operation(
                    routes.picture, tag, {200: PICTURE}, (404, 409, 410, 422),
                    parameters=(
                        Parameter("format", {"type": "string", "enum": list(FORMATS)}, "of a drawn kitten"),
                        Parameter("download", {"type": "string", "enum": list(FLAGS)}, "1: to be kept as a file"),
                        WITH_CODE,
                    ),
                )
            },
        ),
        Resource("/v1/queues", {"GET": Operation(routes.list, tag, {200: Answer("all queues", (QueueList,))}, (422,))}),
    ]  # fmt: skip


def bans(routes: BanRoutes) -> list[Resource]:
    """/v1/bans."""
    tag = "turns"
    return [
        Resource("/v1/bans", {"GET": Operation(routes.list, tag, {200: Answer("who is banned", (BanList,))}, (422,))}),
        Resource(
            "/v1/bans/{address}",
            {"DELETE": Operation(routes.delete, tag, {204: Answer("let in again")}, (404, 422))},
            {"address": ADDRESS},
        ),
    ]


def seed_turns(routes: SeedTurnRoutes) -> list[Resource]:
    """The original's own paths."""
    tag = "seed turns"
    given = {200: Answer("a token, or the word banned", (GivenToken,))}
    posted = {200: Answer("where the picture is, or why there is none", (TokenAnswer,))}
    ended = {200: Answer("nobody is served any more", (Ended,))}
    return [
        Resource("/get-token", {"GET": Operation(routes.get_token, tag, given, (404, 422, 429))}),
        Resource("/post-token", {"POST": Operation(routes.post_token, tag, posted, (*BODY_PROBLEMS, 404), POSTED)}),
        Resource("/update", {"GET": Operation(routes.update, tag, {200: STREAM}, (404, 422), None, LISTEN)}),
        Resource("/start-delay", {"GET": Operation(routes.start_delay, tag, ended, (404, 422))}),
    ]


def _of(path: str, methods: Mapping[str, Operation]) -> Resource:
    return Resource(path, methods, {"queue": QUEUE, "token": TOKEN})
