"""Where a peer is installed: a folder of its own in the cache, made when it is first asked for or its pins change."""

import asyncio
import contextlib
import fcntl
import os
import platform
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from duestream import embedded

INSTALLING = 300.0  # seconds
DONE = "pins"  # the file that says what a complete environment holds


class Missing(Exception):
    """A peer cannot be had here, and why."""


class Environment(msgspec.Struct, frozen=True):
    """pins: `name==version` for pip, or `name@version` for npm; the first is the peer itself."""

    name: str
    pins: tuple[str, ...]

    @property
    def node(self) -> bool:
        return "@" in self.pins[0]

    @property
    def version(self) -> str:
        return self.pins[0].replace("@", "==").partition("==")[2]

    @property
    def folder(self) -> Path:
        return cache() / self.name

    @property
    def described(self) -> str:
        """What it is made of: another text asks for another environment."""
        runtime = "node" if self.node else f"{sys.executable} {platform.python_version()}"
        return "\n".join((runtime, *self.pins))

    @property
    def complete(self) -> bool:
        try:
            return (self.folder / DONE).read_text() == self.described
        except OSError:
            return False

    def command(self, program: Path, package: str) -> list[str]:
        """How to start a program of this peer: `program` for node, a module of `package` for Python."""
        if self.node:
            return [_found("node"), str(program)]
        return [str(self.folder / "bin" / "python"), "-m", f"{package}.{program.stem}"]

    @property
    def modules(self) -> Path:
        """Where node finds them."""
        return self.folder / "node_modules"

    async def make(self) -> None:
        """Have it complete; one maker at a time. Raises Missing."""
        if self.complete:
            return
        cache().mkdir(parents=True, exist_ok=True)
        async with asyncio.timeout(2 * INSTALLING):
            while True:
                with _alone(cache() / f"{self.name}.lock") as alone:
                    if alone:
                        await self._make()
                        return
                await asyncio.sleep(0.2)

    async def _make(self) -> None:
        if self.complete:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.node:
            self.folder.mkdir()
            await _run([_found("npm"), "install", "--no-audit", "--no-fund", "--prefix", str(self.folder), *self.pins])
        else:
            await _run([sys.executable, "-m", "venv", str(self.folder)])
            python = str(self.folder / "bin" / "python")
            await _run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *self.pins])
        (self.folder / DONE).write_text(self.described)


def cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "duestream-bench"


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _found(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise Missing(f"there is no {program} here")
    return path


async def _run(command: list[str]) -> None:
    """Raises Missing with the end of what the command said, where it fails."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=embedded.with_parent(),
    )
    try:
        async with asyncio.timeout(INSTALLING):
            said, _ = await process.communicate()
    except TimeoutError:
        raise Missing(f"not within {INSTALLING:.0f} s: {' '.join(command)}") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode:
        lines = said.decode(errors="replace").strip().splitlines()
        raise Missing(f"{' '.join(command)}: {' '.join(lines[-3:]) or process.returncode}")
