"""One consumer of a consumer group on one journal stream: read, claim what a dead one left, leave."""

import contextlib
from typing import Any

from redis.exceptions import ResponseError

from duestream.server import Server

Raw = tuple[str, list[str]]  # entry id, names and values in turn
PROJECTOR = "projector"  # the group whose progress makes reads fresh


class Consumer:
    """Its name must be its process's alone: what is delivered to it stays pending under that name.

    accounts: its group keeps account by itself of what is done, so that nothing is pending under any name.
    """

    def __init__(
        self, server: Server, stream: str, *, group: str, name: str, start: str = "0", accounts: bool = False
    ) -> None:
        self.server = server
        self.stream = stream
        self.group = group
        self.name = name
        self._start = start
        self._noack = ("NOACK",) if accounts else ()

    async def join(self) -> None:
        """Make the group, and the stream, where they are missing."""
        with contextlib.suppress(ResponseError):  # BUSYGROUP: it is there
            await self.server.call("XGROUP", "CREATE", self.stream, self.group, self._start, "MKSTREAM")

    async def read(self, *, count: int, block_ms: int) -> list[Raw]:
        """Entries that no consumer of the group was given, waiting up to `block_ms` for the first."""
        reply = await self._call(
            "XREADGROUP",
            "GROUP",
            self.group,
            self.name,
            "COUNT",
            count,
            "BLOCK",
            block_ms,
            *self._noack,
            "STREAMS",
            self.stream,
            ">",
        )
        return [] if not reply else [(entry, fields) for entry, fields in reply[0][1]]

    async def delivered(self) -> str:
        """The entry up to which the group's consumers were given all; "" where there is no such group."""
        for flat in await self._call("XINFO", "GROUPS", self.stream) or []:
            info: dict[str, Any] = dict(zip(flat[::2], flat[1::2], strict=True))
            if info["name"] == self.group:
                return str(info["last-delivered-id"])
        return ""

    async def held(self, *, count: int) -> list[Raw]:
        """Entries that this consumer was given and has not acknowledged."""
        reply = await self._call(
            "XREADGROUP", "GROUP", self.group, self.name, "COUNT", count, "STREAMS", self.stream, "0"
        )
        return [] if not reply else [(entry, fields) for entry, fields in reply[0][1] if fields is not None]

    async def claim(self, *, idle_ms: int, count: int) -> list[Raw]:
        """Entries that another consumer was given at least `idle_ms` ago and has not acknowledged."""
        reply = await self._call("XAUTOCLAIM", self.stream, self.group, self.name, idle_ms, "0", "COUNT", count)
        return [] if not reply else [(entry, fields) for entry, fields in reply[1] if fields is not None]

    async def ack(self, entries: list[str]) -> None:
        await self.server.call("XACK", self.stream, self.group, *entries)

    async def forget_idle(self, *, idle_ms: int) -> None:
        """Remove consumers of the group that are gone and hold nothing."""
        for flat in await self._call("XINFO", "CONSUMERS", self.stream, self.group) or []:
            info: dict[str, Any] = dict(zip(flat[::2], flat[1::2], strict=True))
            if info["pending"] == 0 and info["idle"] > idle_ms and info["name"] != self.name:
                await self.server.call("XGROUP", "DELCONSUMER", self.stream, self.group, info["name"])

    async def _call(self, *command: str | int) -> Any:
        try:
            return await self.server.call(*command)
        except ResponseError as error:
            if "NOGROUP" not in str(error) and "no such key" not in str(error):
                raise
            await self.join()  # the data was removed under us
            return None
