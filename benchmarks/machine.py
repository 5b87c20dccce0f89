"""What a run was measured on: figures of different machines cannot be compared."""

import asyncio
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from duestream.server import connect

SYNCS = 50
COMPUTING = 0.7  # seconds
TRIES = 3


async def describe(url: str, data: Path) -> str:
    """One line: cores, Python, the store at `url`, and what an fsync costs in the store's directory."""
    async with connect(url) as server:
        info = await server.client.info("server")
    store = f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {info['redis_version']}"
    return (
        f"{len(os.sched_getaffinity(0))} cores ({_processor()}), load {os.getloadavg()[0]:.1f} at the start; "
        f"{platform.system()} {platform.release()}; Python {platform.python_version()}, uvicorn {version('uvicorn')}, "
        f"Starlette {version('starlette')}; {store}, appendfsync always, fsync {_fsync_ms(data):.2f} ms"
    )


async def doubling() -> float:
    """How much more two processes that only compute get done than one: 2 on two cores of one's own, less elsewhere.

    Each at its best of some tries, since others may disturb one of them.
    """
    found = [(await _computed(1), await _computed(2)) for _ in range(TRIES)]
    return max(two for _, two in found) / max(one for one, _ in found)


async def _computed(processes: int) -> float:
    program = f"import time; end, n = time.monotonic() + {COMPUTING}, 0\nwhile time.monotonic() < end: n += 1\nprint(n)"
    started = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
        for _ in range(processes)
    ]
    return sum([float((await each.communicate())[0]) for each in started])


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _fsync_ms(data: Path) -> float:
    with tempfile.NamedTemporaryFile(dir=data) as file:
        started = time.perf_counter()
        for _ in range(SYNCS):
            file.write(b"x" * 512)
            file.flush()
            os.fsync(file.fileno())
        return (time.perf_counter() - started) * 1000 / SYNCS
