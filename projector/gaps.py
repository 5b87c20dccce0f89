"""Apply what somebody was given and did not apply: he died, or stopped before the answer came."""

import logging

from duestream.applying import Projected, apply
from duestream.group import Consumer, Raw
from duestream.keys import Keys

log = logging.getLogger("duestream.projector")

BATCH = 2000  # entries in one step


async def close_gaps(consumer: Consumer, keys: Keys, projected: Projected, *, upto: str) -> None:
    """Apply what is not applied of the entries up to one. What somebody else is just applying is applied twice."""
    server, kind = consumer.server, projected.kind
    while True:
        left: list[Raw] = await server.run("gap", [keys.progress(kind), keys.journal(kind)], [upto, BATCH])
        if not left:
            return
        log.info("took over entries", extra={"entries": len(left), "first": left[0][0]})
        await apply(server, keys, projected, left)
