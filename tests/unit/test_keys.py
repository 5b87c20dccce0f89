"""Keys: all of a shard in one slot, none like another, spelled in one module only."""

import inspect
from pathlib import Path

from redis.crc import key_slot

import duestream
from duestream import keys
from duestream.keys import Keys

ROOT = Path(duestream.__file__).parent.parent


def all_keys(shard: int) -> dict[str, str]:
    """Every key of a shard by its method, with arguments that could confuse it."""
    found = {}
    for name, method in inspect.getmembers(Keys(shard), inspect.ismethod):
        if not name.startswith("_"):
            count = len(inspect.signature(method).parameters)
            found[name] = method(*(["tasks", "other"][:count]))
    return found


def test_all_keys_of_a_shard_live_in_one_slot() -> None:
    for shard in range(16):
        slots = {key_slot(key.encode()) for key in all_keys(shard).values()}

        assert slots == {key_slot(str(shard).encode())}


def test_no_two_keys_are_alike() -> None:
    everything = [key for shard in range(3) for key in all_keys(shard).values()] + [keys.meta(), keys.processes()]

    assert len(set(everything)) == len(everything)


def test_no_other_module_spells_a_key() -> None:
    modules = [path for part in ("duestream", "api", "projector", "scheduler") for path in (ROOT / part).rglob("*.py")]
    scripts = list((ROOT / "duestream" / "lua").glob("*.lua"))
    spelling = [path.name for path in modules + scripts if "ds:{" in path.read_text()]

    assert spelling == ["keys.py"]
