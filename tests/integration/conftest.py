"""Fixtures of the tests that drive the parts by hand, and of those that only call the running whole."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests import stores
from tests.core import Core, JobCore, core_on, job_core_on
from tests.running import Service, running
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


@pytest.fixture
async def job_core(store: Store) -> AsyncIterator[JobCore]:
    """The parts for jobs on an empty store of each sort; no process runs."""
    async with job_core_on(store) as core:
        yield core


@pytest.fixture
async def fast_jobs(valkey: Store) -> AsyncIterator[JobCore]:
    """The parts for jobs on an empty Valkey, for what does not depend on the sort of store."""
    async with job_core_on(valkey) as core:
        yield core


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Service]:
    """All processes on a Valkey of their own, one for all tests of a module, which run in its loop."""
    with stores.valkey() as store:
        async with running(store) as service:
            yield service


@pytest_asyncio.fixture(loop_scope="module")
async def valkey_service() -> AsyncIterator[Service]:
    """All processes on a Valkey of their own, for one test of a module whose tests run in its loop."""
    with stores.valkey() as store:
        async with running(store) as service:
            yield service
