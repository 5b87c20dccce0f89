"""`duestream tail`: the events in the terminal, as they come."""

import asyncio

from rich.console import Console
from rich.text import Text

from duestream.events import Entry, Unreadable, entry_of
from duestream.keys import KINDS, Keys
from duestream.lifecycle import unless_stopped
from duestream.server import LONGEST_BLOCK, Server, agree_on_shards, connect
from duestream.settings import Settings

_STYLES = {"created": "green", "updated": "cyan", "deleted": "red", "cleared": "red", "expiring": "bold yellow"}


async def run(settings: Settings, stop: asyncio.Event, *, since: str, console: Console) -> None:
    """Print events until the stop: those after the entry `since`, or from now on where that is "$"."""
    async with connect(settings.url) as server:
        await agree_on_shards(server, settings.shards)
        async with asyncio.TaskGroup() as group:
            for keys in map(Keys, range(settings.shards)):
                group.create_task(_follow(server, keys, since, console, stop))


async def _follow(server: Server, keys: Keys, since: str, console: Console, stop: asyncio.Event) -> None:
    streams = [keys.journal(kind) for kind in KINDS]
    seen = dict.fromkeys(streams, since)

    async def more() -> None:
        block = int(LONGEST_BLOCK * 1000)
        reply = await server.call("XREAD", "COUNT", 500, "BLOCK", block, "STREAMS", *streams, *seen.values())
        for stream, batch in reply or ():
            for entry, fields in batch:
                seen[stream] = entry
                try:
                    console.print(line(entry_of(entry, fields)))
                except Unreadable as error:
                    console.print(Text(f"{entry} {error}", style="red"))

    while not stop.is_set():
        await unless_stopped(more(), stop)


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
