"""`duestream up`, as a user runs it: start, look, break, stop, start again."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import requires
from tests.e2e.commands import Running, answers, http, run
from tests.stores import Store, eventually, free_port

Up = Callable[..., Running]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def up(tmp_path: Path, data: Path) -> Iterator[Up]:
    """Starts `duestream up` on the data directory and a free port."""
    started: list[Running] = []

    def start(*words: str, **settings: object) -> Running:
        given: dict[str, Any] = {"data_dir": data, "port": 0, **settings}
        running = Running(tmp_path, "up", *words, **given)
        started.append(running)
        return running

    yield start
    for running in started:
        children = descendants(running.process.pid)
        running.discard()
        for pid in children:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


def address(running: Running) -> str:
    """Where the API is, once everything is up."""
    running.says("Ctrl-C drains and stops all of it.")
    found = re.search(r"API +(http://\S+)/v1/tasks", running.said())
    assert found is not None
    return found[1]


def descendants(pid: int) -> dict[int, str]:
    """The children of a process, with their command lines."""
    found: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid:
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def child(running: Running, name: str) -> int:
    """The process id of one of the five."""
    word = "valkey-server" if name == "valkey" else f"-m {name} "
    found = [pid for pid, command in descendants(running.process.pid).items() if word in command]
    assert len(found) == 1, (name, found)
    return found[0]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def gone(pids: list[int]) -> None:
    eventually(lambda: not any(map(alive, pids)), f"{pids} have ended", 30)


def test_a_newcomer_creates_a_task_sees_its_notice_and_finds_the_task_again_after_a_restart(up: Up, data: Path) -> None:
    running = up()
    url = address(running)
    with urllib.request.urlopen(f"{url}/v1/events", timeout=30) as events:
        assert b"listening" in events.readline()

        created = http(f"{url}/v1/tasks", {"title": "water the plants", "expiry_dt": "2024-02-29T12:00:00+01:00"})

        while b"event: task.expiring" not in (line := events.readline()):
            assert line
        assert b"is expired already at" in events.readline()
    notice = f'Your task (id:{created["id"]}, title:"water the plants") is expired already at'
    running.says(notice)
    children = list(descendants(running.process.pid))
    assert len(children) == 5
    assert running.interrupt() == 0
    gone(children)
    assert running.said().count("stopped") == 4

    again = up()
    url = address(again)
    assert http(f"{url}/v1/tasks/{created['id']}") == created
    assert http(f"{url}/v1/tasks", {"title": "next"})["id"] == created["id"] + 1
    assert again.interrupt() == 0
    assert again.said().count(notice) == 0


def test_what_it_prints_says_where_all_is_and_its_redis_cli_hint_works(up: Up, data: Path) -> None:
    requires.redis_server()
    assert shutil.which("redis-cli")
    running = up()
    url = address(running)
    http(f"{url}/v1/tasks", {"title": "look inside"})

    hint = re.search(r"inside +(redis-cli .*)", running.said())

    assert hint is not None
    looked = subprocess.run(shlex.split(hint[1]), capture_output=True, text=True, timeout=20)
    assert "task.created" in looked.stdout
    assert "look inside" in looked.stdout
    assert f"embedded, data in {data}" in running.said()
    assert f"{url}/docs" in running.said()
    assert f"curl -N {url}/v1/events" in running.said()
    assert running.interrupt() == 0


def test_a_child_that_is_killed_is_started_again_and_nothing_is_lost(up: Up) -> None:
    running = up()
    url = address(running)
    created = http(f"{url}/v1/tasks", {"title": "survives"})
    for name in ("api", "projector", "scheduler", "runner", "valkey"):
        before = child(running, name)

        os.kill(before, signal.SIGKILL)

        running.says(f"pid={before} status=-9")
        eventually(lambda before=before: not alive(before), "it is dead")  # type: ignore[misc]
        eventually(lambda: len(descendants(running.process.pid)) == 5, "it runs again", 30)
        eventually(lambda: answers(url), "the API is ready", 60)
        assert child(running, name) != before
        assert http(f"{url}/v1/tasks/{created['id']}") == created
    late = http(f"{url}/v1/tasks", {"title": "late", "expiry_dt": "2024-02-29T12:00:00Z"})
    running.says(f"(id:{late['id']}, ")
    assert running.interrupt() == 0


def test_when_it_is_killed_itself_all_end_and_the_next_start_works(up: Up) -> None:
    running = up()
    created = http(f"{address(running)}/v1/tasks", {"title": "survives"})
    children = list(descendants(running.process.pid))

    running.process.kill()

    again = up()
    gone(children)
    assert http(f"{address(again)}/v1/tasks/{created['id']}") == created
    assert again.interrupt() == 0


def test_a_second_one_on_the_same_data_is_refused_with_the_reason(up: Up, data: Path) -> None:
    running = up()
    address(running)

    refused = run("up", data_dir=data, port=0)

    assert refused.returncode == 2
    assert refused.stderr.strip() == (
        f"duestream: DUESTREAM_DATA_DIR: another duestream (process {running.process.pid}) is running on {data}"
    )
    assert running.interrupt() == 0


def test_a_port_in_use_ends_it_with_a_clear_error(data: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        for refused in (run("up", data_dir=data, port=port), run(module="api", port=port)):
            assert refused.returncode == 2
            assert refused.stderr.startswith(f"duestream: port {port} of 127.0.0.1 is in use: ")
            assert refused.stderr.count("\n") == 1


def test_a_named_server_is_used_instead_of_an_embedded_one(up: Up, valkey: Store, data: Path) -> None:
    running = up(redis_url=valkey.url)
    url = address(running)

    created = http(f"{url}/v1/tasks", {"title": "elsewhere"})

    assert http(f"{url}/v1/tasks/{created['id']}") == created
    assert len(descendants(running.process.pid)) == 4
    assert not data.exists()
    assert f"redis-cli -u {valkey.url} XRANGE" in running.said()
    assert running.interrupt() == 0


def test_a_data_directory_with_a_long_odd_name_works(up: Up, tmp_path: Path) -> None:
    deep = tmp_path / ("a directory % with # a 'very' long name " * 3) / "data"
    running = up(data_dir=deep)

    created = http(f"{address(running)}/v1/tasks", {"title": "deep"})

    verified = run("verify", data_dir=deep)  # a task, and the queue `cats`
    assert (verified.returncode, verified.stdout) == (0, "2 entries, 2 entities: the read models equal the journal\n")
    assert created["id"] == 1
    assert running.interrupt() == 0


def test_another_number_of_shards_than_the_datas_ends_it_with_that_reason(up: Up, data: Path) -> None:
    running = up(shards=2)
    address(running)
    assert running.interrupt() == 0

    refused = run("up", data_dir=data, port=0, shards=3)

    assert refused.returncode == 2
    assert "DUESTREAM_SHARDS is 3, but this data was written with 2 shards" in refused.stderr
    assert refused.stderr.count("DUESTREAM_SHARDS is 3") == 1


def test_a_child_that_says_that_it_cannot_run_ends_everything(up: Up, tmp_path: Path) -> None:
    running = up()
    url = address(running)
    children = list(descendants(running.process.pid))
    os.kill(child(running, "api"), signal.SIGKILL)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port = int(url.rpartition(":")[2])
        eventually(lambda: _bound(taken, port), "the port is free")
        taken.listen()

        assert running.end() == 2

    gone(children)
    assert f"port {port} of 127.0.0.1 is in use" in running.said()
    assert "the api cannot run, for the reason above" in running.said()


def _bound(taken: socket.socket, port: int) -> bool:
    try:
        taken.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


def test_an_embedded_server_that_does_not_start_ends_it_with_what_its_log_says(data: Path) -> None:
    folder = data / "appendonlydir"
    folder.mkdir(parents=True)
    (folder / "appendonly.aof.manifest").write_text("no manifest\n")

    refused = run("up", data_dir=data, port=0)

    assert refused.returncode == 2
    assert f"the embedded Valkey does not start on {data}" in refused.stderr
    assert "manifest" in refused.stderr


def test_other_hosts_are_not_let_in_without_keys(up: Up, data: Path) -> None:
    refused = run("up", "--host", "0.0.0.0", data_dir=data, port=free_port())

    assert refused.returncode == 2
    assert "DUESTREAM_API_KEYS" in refused.stderr
    assert not data.exists()

    running = up("--host", "0.0.0.0", "--insecure-no-auth")
    assert http(f"{address(running)}/v1/tasks", {"title": "from afar"})["id"] == 1
    assert running.interrupt() == 0
