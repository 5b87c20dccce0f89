"""What a task takes in Redis, once it is projected: journal, head, read model, list and due entry."""

from benchmarks.effort import Effort
from benchmarks.load import Plan, load, request
from benchmarks.samples import body, tasks
from benchmarks.stage import Stage, stage
from benchmarks.table import Row

MOST_BYTES = 1200
TASKS = 20_000


async def measure(effort: Effort) -> list[Row]:
    count = effort.of(TASKS)
    requests = [request("POST", "/v1/tasks", body(task)) for task in tasks(count)]
    async with stage() as at:
        api = await at.whole()
        before = await _used(at)
        await load(Plan(api.port, requests, seconds=120, warmup=0, most=count))
        await at.drained()
        per_task = (await _used(at) - before) / count
        keys = at.keys
        parts = {
            "journal": await _size(at, keys.journal("tasks")) / count,
            "head": await _size(at, keys.heads("tasks")) / count,
            "model": await _size(at, keys.task("1")),
            "list": await _size(at, keys.listed("tasks")) / count,
            "due": await _size(at, keys.due_tasks()) / count,
        }
    return [
        Row(
            name=f"memory per task in Redis, {count:,} tasks",
            ours=f"{per_task:,.0f} B",
            target=f"< {MOST_BYTES:,} B",
            met=per_task < MOST_BYTES,
            detail=", ".join(f"{name} {size:.0f}" for name, size in parts.items()),
        )
    ]


async def _used(at: Stage) -> int:
    info = await at.server.client.info("memory")
    return int(info["used_memory_dataset"]) + int(info["used_memory_overhead"]) - _buffers(info)


def _buffers(info: dict[str, int]) -> int:
    """What connections and the append-only file take for the moment."""
    return int(info["mem_clients_normal"]) + int(info["mem_aof_buffer"])


async def _size(at: Stage, key: str) -> int:
    return int(await at.server.call("MEMORY", "USAGE", key, "SAMPLES", 0))
