"""A house of real processes for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.processes import House
from tests.stores import Store


@pytest.fixture
def house(valkey: Store, tmp_path: Path) -> Iterator[House]:
    """No process yet, on an empty Valkey."""
    house = House(valkey, tmp_path)
    yield house
    house.discard()


@pytest.fixture(params=["valkey", "redis"])
def house_of_each(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """No process yet, on an empty server of each sort that can be killed whole."""
    store: Store = request.getfixturevalue(f"_{request.param}")
    store.flush()
    house = House(store, tmp_path)
    yield house
    house.discard()
