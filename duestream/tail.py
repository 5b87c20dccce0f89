"""`duestream tail`: the events in the terminal, as they come."""

import asyncio
import logging
import re

from rich.console import Console
from rich.text import Text

from duestream.errors import Misuse, Unavailable
from duestream.events import Entry, Unreadable, entry_of
from duestream.keys import KINDS, Keys
from duestream.lifecycle import unless_stopped, wait
from duestream.server import LONGEST_BLOCK, Server, agree_on_shards, connect
from duestream.settings import Settings

log = logging.getLogger("duestream.tail")

PATIENCE = 4.0  # seconds in which the server must answer at first
AGAIN = 1.0  # seconds until the next attempt when it has gone
_SINCE = re.compile(r"^(\$|\d{1,15}(-\d{1,15})?)$")
_STYLES = {"created": "green", "updated": "cyan", "deleted": "red", "cleared": "red", "expiring": "bold yellow"}


async def run(settings: Settings, stop: asyncio.Event, *, since: str, console: Console) -> None:
    """Print events until the stop: those after the entry `since`, or from now on where that is "$"."""
    if not _SINCE.match(since):
        raise Misuse(f"--since: expected an entry id such as 1700000000000-0, 0 or $, got {since!r}")
    async with connect(settings.url, patience=PATIENCE) as server:
        await agree_on_shards(server, settings.shards)
        async with asyncio.TaskGroup() as group:
            for keys in map(Keys, range(settings.shards)):
                seen = {keys.journal(kind): await _start(server, keys.journal(kind), since) for kind in KINDS}
                group.create_task(_follow(server, seen, console, stop))


async def _start(server: Server, stream: str, since: str) -> str:
    """The entry to begin after: its id, not "$", so that none between two reads is missed."""
    if since != "$":
        return since
    last = await server.call("XREVRANGE", stream, "+", "-", "COUNT", 1)
    return str(last[0][0]) if last else "0"


async def _follow(server: Server, seen: dict[str, str], console: Console, stop: asyncio.Event) -> None:
    async def more() -> None:
        block = int(LONGEST_BLOCK * 1000)
        reply = await server.call("XREAD", "COUNT", 500, "BLOCK", block, "STREAMS", *seen, *seen.values())
        for stream, batch in reply or ():
            for entry, fields in batch:
                seen[stream] = entry
                try:
                    console.print(line(entry_of(entry, fields)))
                except Unreadable as error:
                    console.print(Text(f"{entry} {error}", style="red"))

    while not stop.is_set():
        try:
            await unless_stopped(more(), stop)
        except Unavailable as error:
            log.warning("waiting for Redis", extra={"reason": str(error)})
            await wait(stop, AGAIN)


def line(entry: Entry) -> Text:
    """One event on one line."""
    verb = entry.type.partition(".")[2]
    return Text.assemble(
        (f"{entry.at} ", "dim"),
        (f"{entry.type:15} ", _STYLES.get(verb, "")),
        (f"{entry.id} ", "bold"),
        f"rev {entry.rev} ",
        (f"by {entry.by} ", "dim"),
        entry.data,
    )
