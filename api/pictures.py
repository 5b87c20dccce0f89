"""Where the picture of a token comes from: drawn by us, one of a folder's, or from an image API.

A source that fails costs a line in the log, and no visitor his picture:

    what may happen                              what the visitor gets
    the API is slow, away, or has no image       the drawn kitten
    it answers with more than 10 MiB             the drawn kitten
    it redirects to another sort of URL          the drawn kitten
    a folder's file vanishes or grows            the drawn kitten
    the same picture is asked for again          what was given before, while it is remembered
"""

import asyncio
import logging
from collections import OrderedDict
from pathlib import Path
from typing import Protocol

import httpx
import resvg_py

from api.picture_sources import Folder, ImageApi, NoPicture, Picture, Source, picture
from duestream import instants
from duestream.kittens import kitten
from duestream.settings import Settings

log = logging.getLogger("duestream.pictures")

REMEMBERED = 64
REMEMBERED_BYTES = 64 * 1024 * 1024
PIXELS = 960  # of a PNG's sides


class Pictures:
    """Gives every seed its picture. Raises Misuse where the folder that it is to take them from has none."""

    def __init__(self, settings: Settings, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._source: Source | None = None
        if settings.pictures_url:
            patience = instants.span(settings.picture_timeout).total_seconds()
            self._source = ImageApi(settings.pictures_url, patience, transport)
        elif settings.pictures:
            self._source = Folder(Path(settings.pictures))
        self._found = Memory(self._sought)
        self._drawn = Memory(_drawn)

    async def of(self, seed: str, *, png: bool) -> Picture:
        """A seed's picture. png: where it is drawn, as PNG instead of SVG; pictures from elsewhere stay as they are."""
        found = await self._found.of(seed, png=False) if self._source is not None else None
        if found is None:
            found = await self._drawn.of(seed, png=png)
            assert found is not None  # there is always a kitten
        return found

    async def _sought(self, seed: str, *, png: bool) -> Picture | None:
        assert self._source is not None
        try:
            return await self._source.picture(seed)
        except NoPicture as reason:
            log.warning("drew a kitten instead", extra={"reason": str(reason)})
            return None


class Make(Protocol):
    async def __call__(self, seed: str, *, png: bool) -> Picture | None: ...


class Memory:
    """What was made last, so that who asks again, or at the same time, gets the same; also that there was nothing."""

    def __init__(self, make: Make) -> None:
        self._make = make
        self._made: OrderedDict[tuple[str, bool], asyncio.Task[Picture | None]] = OrderedDict()

    async def of(self, seed: str, *, png: bool) -> Picture | None:
        key = (seed, png)
        task = self._made.get(key)
        if task is None or _failed(task):
            task = self._made[key] = asyncio.ensure_future(self._make(seed, png=png))
        self._made.move_to_end(key)
        made = await asyncio.shield(task)  # others may wait for it too
        self._shrink()
        return made

    def _shrink(self) -> None:
        sizes = [_size(task) for task in self._made.values()]
        while len(sizes) > REMEMBERED or sum(sizes) > REMEMBERED_BYTES:
            self._made.popitem(last=False)
            del sizes[0]


def _failed(task: "asyncio.Task[Picture | None]") -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def _size(task: "asyncio.Task[Picture | None]") -> int:
    made = task.result() if task.done() and not _failed(task) else None
    return len(made.body) if made else 0


async def _drawn(seed: str, *, png: bool) -> Picture:
    return await asyncio.to_thread(drawn, seed, png=png)


def drawn(seed: str, *, png: bool) -> Picture:
    """The kitten of a seed."""
    svg = kitten(seed)
    if not png:
        return picture(seed, svg.encode(), "image/svg+xml")
    body = resvg_py.svg_to_bytes(svg_string=svg, width=PIXELS, height=PIXELS, skip_system_fonts=True)
    return picture(seed, body, "image/png")
