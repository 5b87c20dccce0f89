"""What the embedded server is started with."""

import ctypes.util

import pytest

from duestream import embedded


@pytest.mark.parametrize(("found", "name"), [("libjemalloc.so.2", "LD_PRELOAD"), (None, "GLIBC_TUNABLES")])
def test_the_server_gets_the_best_allocator_that_there_is(
    monkeypatch: pytest.MonkeyPatch, found: str | None, name: str
) -> None:
    monkeypatch.setattr(ctypes.util, "find_library", lambda _: found)
    monkeypatch.setattr(embedded.sys, "platform", "linux")  # type: ignore[attr-defined]
    monkeypatch.setenv("KEPT", "as it is")

    environment = embedded.environment()

    assert name in environment
    assert environment["KEPT"] == "as it is"
