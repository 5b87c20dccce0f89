"""Fixtures of the tests that drive the parts by hand, and of those that only call the running whole."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from runner.engine import Engine
from tests import images, stores
from tests.core import Core, JobCore, core_on, job_core_on
from tests.integration.engines import an_engine, containers_of, docker
from tests.running import Service, running
from tests.stores import Store
from tests.turns import Hall, hall_on


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


@pytest.fixture(scope="module")
def busybox() -> str:
    return images.busybox()


@pytest.fixture
def job() -> Iterator[str]:
    """The id of a job that nobody else has; its containers are gone in the end."""
    job = os.urandom(8).hex()
    yield job
    for id in containers_of(job):
        docker("rm", "-fv", id)


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    async with an_engine() as engine:
        yield engine


@pytest.fixture
async def hall(store: Store) -> AsyncIterator[Hall]:
    """The queue `cats` on an empty store of each sort."""
    async with hall_on(store) as hall:
        await hall.open()
        yield hall


@pytest.fixture
async def quick(valkey: Store) -> AsyncIterator[Hall]:
    """The queue `cats` on an empty Valkey."""
    async with hall_on(valkey) as hall:
        await hall.open()
        yield hall
