"""One projector process: every kind of every shard."""

import asyncio
import logging

from duestream.applying import PROJECTED
from duestream.group import PROJECTOR, Consumer
from duestream.keys import Keys
from duestream.lifecycle import Duty, process_name, serving, until_stopped
from duestream.settings import Settings
from projector.projection import Projection
from projector.recovery import Recovery

log = logging.getLogger("duestream.projector")


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Project until the stop."""
    name = process_name("projector")
    async with serving(settings, name, stop) as server:
        duties: list[Duty] = []
        for keys in map(Keys, range(settings.shards)):
            for projected in PROJECTED:
                consumer = Consumer(server, keys.journal(projected.kind), group=PROJECTOR, name=name, accounts=True)
                await server.patiently(consumer.join, 30)
                duties.append(Projection(consumer, keys, projected, stop))
                duties.append(Recovery(consumer, keys, projected, stop))
        log.info("projecting", extra={"worker": name, "shards": settings.shards})
        await until_stopped(duties, stop, settings.drain_seconds)
        log.info("stopped", extra={"worker": name})
