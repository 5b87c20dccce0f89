"""What must be true afterwards, whatever was killed."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import httpx

from duestream import tasks
from duestream.applying import PROJECTED
from duestream.events import Entry, entry_of
from duestream.keys import KINDS, Keys
from duestream.server import connect
from duestream.verifying import Report, Verification
from tests.faults.load import Known
from tests.running import until
from tests.stores import Store

LEAD = timedelta(minutes=15)


async def journal(store: Store) -> list[Entry]:
    """Every entry of the tasks' journal."""
    async with connect(store.url) as server:
        return [
            entry_of(entry, fields)
            for shard in range(store.shards)
            for entry, fields in await server.call("XRANGE", Keys(shard).journal("tasks"), "-", "+")
        ]


async def verified(store: Store) -> Report:
    """What `duestream verify` finds."""
    report = Report()
    async with connect(store.url) as server:
        for keys in map(Keys, range(store.shards)):
            for projected in PROJECTED:
                await Verification(server, keys, projected).run(report)
    return report


async def settled(store: Store) -> None:
    """Wait until nothing is due any more, in any set, and nothing is left to project."""
    async with connect(store.url) as server:

        async def idle() -> bool:
            for keys in map(Keys, range(store.shards)):
                for kind in KINDS:
                    _, done = await server.run("horizon", [keys.progress(kind), keys.journal(kind)], [""])
                    if not done:
                        return False
            soon = await server.clock_ms() + 1000  # only now: what is projected may be due
            for keys in map(Keys, range(store.shards)):
                for due in (keys.due_tasks(), keys.due_batches()):
                    if await server.call("ZCOUNT", due, "-inf", soon + 20_000):
                        return False
            return True

        await until(idle, "nothing is due any more", 30)


async def all_is_well(store: Store, url: str, known: Iterable[Known]) -> None:
    """Everything acknowledged is there, the models equal the journal, each notice was given once."""
    await settled(store)
    await everything_acknowledged_is_there(url, known)
    report = await verified(store)
    assert (report.differences, report.dead) == ([], 0)
    notices = await notices_given(store)
    assert [key for key, times in notices.items() if times != 1] == [], "given more than once"
    now = datetime.now(UTC)
    missed = [
        task
        for task in known
        if not task.deleted
        and task.expiry_dt is not None
        and task.expiry_dt - LEAD < now
        and (task.id, _ms(task.expiry_dt)) not in notices
    ]
    assert missed == []


async def notices_given(store: Store) -> Counter[tuple[int, int]]:
    """How often notice was given, by task and expiry (ms)."""
    given: Counter[tuple[int, int]] = Counter()
    for entry in await journal(store):
        event = tasks.EVENTS.decode(entry)
        if isinstance(event, tasks.TaskExpiring):
            given[int(entry.id), _ms(datetime.fromisoformat(event.expiry_dt))] += 1
    return given


async def everything_acknowledged_is_there(url: str, known: Iterable[Known]) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=20) as http:
        found: dict[int, dict[str, str | None]] = {}
        path = "/v1/tasks?limit=1000"
        while path:
            page = await http.get(path)
            assert page.status_code == 200, page.text
            found |= {task["id"]: task for task in page.json()["tasks"]}
            path = page.links.get("next", {}).get("url", "")
    alive = {task.id: task for task in known if not task.deleted}
    assert found.keys() == alive.keys()
    wrong = [
        (task, found[id])
        for id, task in alive.items()
        if (found[id]["title"], _instant(found[id]["expiry_dt"])) != (task.title, task.expiry_dt)
    ]
    assert wrong == []


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
