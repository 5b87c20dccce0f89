"""/v1/bans: who is kept out of the queues, and letting somebody in again."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api.problems import not_found
from api.queue_types import BanList, ban_view
from api.requests import origin
from api.responses import Encoded
from api.services import Services
from duestream.addresses import canonical


class BanRoutes:
    """The handlers."""

    def __init__(self, services: Services) -> None:
        self._desk = services.desk
        self._turns = services.turns

    async def list(self, _: Request) -> Response:
        """GET /v1/bans: who is banned, why, since when, and until when."""
        bans = BanList([ban_view(ban) for ban in await self._turns.bans()])
        return Encoded(msgspec.json.encode(bans), 200, {"cache-control": "no-store"})

    async def delete(self, request: Request) -> Response:
        """DELETE /v1/bans/{address}: let an address in again."""
        given: str = request.path_params["address"]
        try:
            address = canonical(given)
        except ValueError:
            address = given
        if not await self._desk.unban(address, origin(request)):
            raise not_found(f"{address} is not banned")
        return Response(status_code=204)
