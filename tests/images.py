"""The image that containers of tests start from: `busybox`, made as CI makes it where the engine has none."""

import subprocess
from functools import cache
from pathlib import Path

from tests import requires

BUSYBOX = "busybox:latest"
_MAKE = Path(__file__).parent.parent / ".ci" / "busybox"


@cache
def _made() -> bool:
    return subprocess.run(["bash", str(_MAKE)], capture_output=True, timeout=120).returncode == 0


def busybox() -> str:
    """The name of an image with a shell and the usual commands, on an engine that answers."""
    requires.docker()
    requires.need("docker", found=_made(), why="the engine has no busybox, and .ci/busybox cannot make it")
    return BUSYBOX
