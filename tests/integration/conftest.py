"""Fixtures of the tests that drive the parts by hand."""

from collections.abc import AsyncIterator

import pytest

from tests.core import Core, core_on
from tests.stores import Store


@pytest.fixture
async def core(store: Store) -> AsyncIterator[Core]:
    """The parts on an empty store of each sort; no process runs."""
    async with core_on(store) as core:
        yield core


@pytest.fixture
async def fast(valkey: Store) -> AsyncIterator[Core]:
    """The parts on an empty Valkey, for what does not depend on the sort of store."""
    async with core_on(valkey) as core:
        yield core
