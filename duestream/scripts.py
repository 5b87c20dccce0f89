"""The Lua scripts, loaded from `lua/`. `-- uses: NAME` in one puts the file NAME before it."""

import hashlib
import re
from functools import cache
from importlib.resources import files

_USES = re.compile(r"^-- uses: (\w+)$", re.MULTILINE)


class Script:
    """One atomic act: its text, and the hash by which the server knows it."""

    def __init__(self, name: str) -> None:
        self.name = name
        own = _source(name)
        self.text = "\n".join([*(_source(used) for used in _USES.findall(own)), own])
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


@cache
def _source(name: str) -> str:
    return (files("duestream") / "lua" / f"{name}.lua").read_text()


@cache
def script(name: str) -> Script:
    """The script in `lua/<name>.lua`."""
    return Script(name)
