"""The `duestream` command as a user runs it: real processes with an environment of their own."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from tests.stores import eventually

ROOT = Path(__file__).parents[2]
STARTING = 90.0  # seconds that everything may take to begin, on a machine that has much else to do
ENDING = 60


def environment(**settings: object) -> dict[str, str]:
    """This environment with these settings, by their names in lower case, and none of the tests' own."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("DUESTREAM_")}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    ours = {f"DUESTREAM_{name.upper()}": str(value) for name, value in settings.items()}
    return {**others, "PYTHONPATH": path, "COLUMNS": "100", "NO_COLOR": "1", **ours}


def line(*words: str, module: str = "duestream") -> list[str]:
    """The command line: `duestream …`, or `python -m <module> …`."""
    if module != "duestream":
        return [sys.executable, "-m", module, *words]
    return [sys.executable, "-c", "from duestream.cli import main; main()", *words]


def run(*words: str, module: str = "duestream", cwd: Path | None = None, **settings: object) -> Any:
    """Run a command to its end: its `returncode`, `stdout` and `stderr`."""
    return subprocess.run(
        line(*words, module=module),
        env=environment(**settings),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=ENDING,
    )


class Running:
    """A command that goes on; what it says is in `said()`."""

    def __init__(self, folder: Path, *words: str, module: str = "duestream", **settings: object) -> None:
        self._log = folder / f"{len(list(folder.glob('*.out')))}.out"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                line(*words, module=module), env=environment(**settings), cwd=folder, stdout=log, stderr=log
            )

    def said(self) -> str:
        return self._log.read_text(errors="replace")

    def says(self, *texts: str, times: int = 1) -> None:
        """Wait until its output holds each text so many times."""

        def there() -> bool:
            said = self.said()
            assert self.process.poll() is None or all(said.count(text) >= times for text in texts), said
            return all(said.count(text) >= times for text in texts)

        eventually(there, f"it says {texts}", STARTING)

    def interrupt(self) -> int:
        """Ctrl-C; its exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(ENDING)

    def end(self) -> int:
        """Wait for its end; its exit status."""
        return self.process.wait(ENDING)

    def discard(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        print(f"--- {self._log.name}\n{self.said()[-4000:]}")


def http(url: str, body: object = None) -> Any:
    """What a GET, or a POST of a body, is answered, as JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def answers(url: str) -> bool:
    """Whether an API process answers there, well."""
    try:
        http(f"{url}/readyz")
    except OSError:
        return False
    return True
