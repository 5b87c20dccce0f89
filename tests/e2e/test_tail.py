"""`duestream tail`: the events in the terminal, as they come."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.commands import Running, http, run
from tests.serving import served
from tests.stores import Store


@pytest.fixture
def url(valkey: Store) -> Iterator[str]:
    """An API with all its processes."""
    with served(valkey) as url:
        yield url


@pytest.fixture
def tail(tmp_path: Path, valkey: Store) -> Iterator[Running]:
    """`duestream tail --since 0`, following."""
    running = Running(tmp_path, "tail", "--since", "0", redis_url=valkey.url)
    yield running
    running.discard()


def test_it_follows_what_happens_one_line_for_each_event(url: str, tail: Running) -> None:
    http(f"{url}/v1/tasks", {"title": "water", "expiry_dt": "2024-02-29T12:00:00Z"})

    tail.says("task.created", "task.expiring", '"title":"water"', "by scheduler")
    http(f"{url}/v1/tasks", {"title": "later"})
    tail.says('"title":"later"')

    assert tail.interrupt() == 0
    lines = [line for line in tail.said().splitlines() if " task." in line]
    assert len(lines) == 3
    assert lines[0].split()[1:5] == ["task.created", "1", "rev", "1"]


def test_it_begins_after_the_entry_that_it_is_told(url: str, valkey: Store, tmp_path: Path) -> None:
    first = http(f"{url}/v1/tasks", {"title": "first"})
    http(f"{url}/v1/tasks", {"title": "second"})
    entry = http(f"{url}/v1/tasks/{first['id']}/events")["events"][0]["event"]

    running = Running(tmp_path, "tail", "--since", entry, redis_url=valkey.url)
    try:
        running.says('"title":"second"')

        assert running.interrupt() == 0
        assert '"title":"first"' not in running.said()
    finally:
        running.discard()


def test_text_of_clients_cannot_style_the_terminal(url: str, tail: Running) -> None:
    http(f"{url}/v1/tasks", {"title": "[red]\x1b[31m[/red]"})

    tail.says("task.created")

    assert "[red]\\u001b[31m[/red]" in tail.said()
    assert "\x1b" not in tail.said()
    assert tail.interrupt() == 0


def test_it_goes_on_when_the_store_was_away(valkey: Store, url: str, tail: Running) -> None:
    http(f"{url}/v1/tasks", {"title": "before"})
    tail.says('"title":"before"')

    valkey.nodes[0].kill()
    tail.says("waiting for Redis")
    valkey.nodes[0].start()

    http(f"{url}/v1/tasks", {"title": "after"})
    tail.says('"title":"after"')
    assert tail.said().count('"title":"before"') == 1
    assert tail.interrupt() == 0


def test_what_is_no_entry_id_is_refused(valkey: Store) -> None:
    refused = run("tail", "--since", "yesterday", redis_url=valkey.url)

    assert refused.returncode == 2
    assert refused.stderr == (
        "duestream: --since: expected an entry id such as 1700000000000-0, 0 or $, got 'yesterday'\n"
    )
