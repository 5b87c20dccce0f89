"""The scripts: each says what it takes and returns, each is used, each knows its own hash."""

import hashlib
import re
from pathlib import Path

import pytest

import duestream
from duestream.scripts import script

PACKAGE = Path(duestream.__file__).parent
FILES = sorted(path for path in (PACKAGE / "lua").glob("*.lua") if not path.name.startswith("_"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_script_says_what_it_does_takes_and_returns(path: Path) -> None:
    lines = path.read_text().splitlines()
    header = "\n".join(lines[: next(n for n, line in enumerate(lines) if not line.startswith("--"))])

    assert lines[0].startswith(f"-- {path.stem}: ")
    assert "-- KEYS[1" in header
    assert "Returns " in header
    assert ("ARGV[" in header) == ("ARGV" in "\n".join(lines[len(header.splitlines()) :]))


def test_every_script_is_used_and_every_one_that_is_used_is_there() -> None:
    sources = [path.read_text() for part in ("duestream", "api", "projector", "scheduler", "runner") for path in
               (PACKAGE.parent / part).rglob("*.py")]  # fmt: skip
    used = {name for text in sources for name in re.findall(r"\.run\(\s*\"(\w+)\"", text)}

    assert used == {path.stem for path in FILES}


def test_a_script_comes_with_what_it_uses_and_its_hash() -> None:
    append = script("append")

    assert "local function head_of" in append.text
    assert append.text.index("local function head_of") < append.text.index("head_of(heads, id, cleared)")
    assert append.sha == hashlib.sha1(append.text.encode()).hexdigest()
    assert script("append") is append
