"""Fixtures that all tests share: stores, and the service running on them."""

from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import settings

from duestream.server import Server, connect
from tests import requires, stores
from tests.running import Service, running
from tests.stores import Store

settings.register_profile("duestream", deadline=None)  # no test depends on how fast a machine is
settings.load_profile("duestream")


@pytest.fixture(scope="session")
def _valkey() -> Iterator[Store]:
    with stores.valkey() as store:
        yield store


@pytest.fixture(scope="session")
def _redis() -> Iterator[Store]:
    with stores.single("redis", requires.redis_server()) as store:
        yield store


@pytest.fixture(scope="session")
def _cluster() -> Iterator[Store]:
    with stores.cluster() as store:
        yield store


@pytest.fixture(params=["valkey", "redis", "cluster"])
def store(request: pytest.FixtureRequest) -> Store:
    """An empty store of each sort in turn: Valkey, Debian's Redis, a cluster with four shards."""
    store: Store = request.getfixturevalue(f"_{request.param}")
    store.flush()
    return store


@pytest.fixture
def valkey(_valkey: Store) -> Store:
    """An empty Valkey, for what does not depend on the sort of store."""
    _valkey.flush()
    return _valkey


@pytest.fixture
async def server(store: Store) -> AsyncIterator[Server]:
    """A connection to an empty store of each sort."""
    async with connect(store.url) as server:
        yield server


@pytest.fixture
async def service(store: Store) -> AsyncIterator[Service]:
    """All processes, one of each, on an empty store of each sort."""
    async with running(store) as service:
        yield service
