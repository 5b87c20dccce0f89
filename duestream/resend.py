"""Sending webhooks again that were given up."""

from duestream.keys import Keys
from duestream.server import Server


async def resend(server: Server, keys: Keys) -> int:
    """Take all deliveries of one shard that were given up back among those that are due; how many."""
    reply = await server.call("XRANGE", keys.dead_webhooks(), "-", "+", "COUNT", 1000)
    names, args = [keys.dead_webhooks(), keys.wake_due()], []
    for dead, fields in reply:
        named = dict(zip(fields[::2], fields[1::2], strict=True))
        names.append(keys.due_webhooks(named["endpoint"]))
        args += [dead, named["entry"]]
    return int(await server.run("resend", names, args)) if args else 0
