"""Bring read models up from the journal alone, while everything runs."""

from collections.abc import Sequence

from duestream.applying import TOMBSTONE_MS, Projected
from duestream.changes import Change, model_of
from duestream.folding import Fold
from duestream.keys import Keys
from duestream.server import Server

STEP = 200


async def rebuild(server: Server, keys: Keys, projected: Projected) -> int:
    """Write every model of one kind in one shard anew; how many were written.

    A model that the projector has brought further than the fold meanwhile is left as it is; what the journal does
    not know is removed.
    """
    kind = projected.kind
    fold = Fold(server, keys, projected)
    await fold.advance()
    if fold.cleared:
        await server.call("HSET", keys.view(kind), "cleared", fold.cleared)
        await server.call("ZADD", keys.due_sweeps(), 0, kind)
    prefix = projected.model(keys, "")
    present = {name[len(prefix) :] async for name in server.client.scan_iter(match=prefix + "*", count=1000)}
    places = projected.places(fold.changes.values())
    for zset in (*projected.lists(keys, places), projected.due(keys)):
        present |= {member async for member, _ in server.client.zscan_iter(zset, count=1000)}
    strays = present - set(fold.changes)
    await fold.advance()  # one that was created meanwhile is none
    changes = [
        change for id, change in fold.changes.items() if not fold.covered(id) and (id in present or not change.gone)
    ]
    changes += [Change(id=id, rev=0, facts={}, state={}, gone=True) for id in strays - set(fold.changes)]
    written = 0
    places = projected.places(fold.changes.values())
    for start in range(0, len(changes), STEP):
        written += await _restore(server, keys, projected, places, changes[start : start + STEP])
    return written


async def _restore(
    server: Server, keys: Keys, projected: Projected, places: Sequence[str], changes: list[Change]
) -> int:
    kind = projected.kind
    names = [projected.due(keys), keys.heads(kind), keys.ids(kind), keys.wake_due()]
    names += projected.lists(keys, places)
    names += [projected.model(keys, change.id) for change in changes]
    args: list[str | int] = [TOMBSTONE_MS, len(places)]
    for change in changes:
        model = model_of(change) if change.rev else {}
        args += [
            change.id,
            change.rev,
            0 if change.gone else places.index(change.place) + 1,
            change.number,
            "" if change.due is None else change.due,
            len(model),
        ]
        args += [part for pair in model.items() for part in pair]
    return int(await server.run("restore", names, args))
