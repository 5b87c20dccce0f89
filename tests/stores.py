"""Real servers to test against: the embedded Valkey, Debian's Redis, and a cluster of three embedded nodes."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from duestream import embedded

NODES = 3
DEADLINE = 20.0
MEMORY = Path("/dev/shm")
ROOM = 2**30  # bytes


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(condition: Callable[[], bool], what: str, seconds: float = DEADLINE) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder for a server's data or a browser's, in memory where there is room.

    It outlives a server that is killed, and servers sync it at every write as they do a disk's; but those that build
    images meanwhile do not keep it busy for half a minute.
    """
    memory = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM
    with tempfile.TemporaryDirectory(
        prefix="duestream-test-", dir=MEMORY if memory else None, ignore_cleanup_errors=True
    ) as made:
        yield Path(made)


class Node:
    """One server process. It can be killed and started again on its data."""

    def __init__(self, program: str, data: Path, port: int, *options: str) -> None:
        self.port = port
        self.url = f"redis://127.0.0.1:{port}"
        self._command = [
            program, "--dir", str(data), "--port", str(port), "--bind", "127.0.0.1", "--appendonly", "yes",
            "--appendfsync", "always", "--save", "", "--logfile", str(data / "server.log"), *options,
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Node":
        self._process = subprocess.Popen(self._command)
        eventually(self.answers, "the server answers")
        return self

    def kill(self) -> None:
        """kill -9"""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def answers(self) -> bool:
        with contextlib.suppress(RedisConnectionError), Redis.from_url(self.url, socket_timeout=2) as client:
            return bool(client.ping())
        return False

    def flush(self) -> None:
        with Redis.from_url(self.url) as client:
            client.flushall()


class Store:
    """Somewhere to keep a journal: one server or several, and how many shards to use there."""

    def __init__(self, name: str, nodes: list[Node], shards: int) -> None:
        self.name = name
        self.nodes = nodes
        self.url = nodes[0].url
        self.shards = shards

    def flush(self) -> None:
        for node in self.nodes:
            node.flush()


@contextlib.contextmanager
def single(name: str, program: str, *options: str) -> Iterator[Store]:
    """One server, one shard."""
    with folder() as data:
        node = Node(program, data, free_port(), *options).start()
        try:
            yield Store(name, [node], 1)
        finally:
            with contextlib.suppress(AssertionError):
                node.kill()


@contextlib.contextmanager
def valkey() -> Iterator[Store]:
    with single("valkey", str(embedded.binary())) as store:
        yield store


@contextlib.contextmanager
def cluster(shards: int = 4) -> Iterator[Store]:
    """Three nodes of a Valkey Cluster, four shards over them."""
    with contextlib.ExitStack() as stack:
        nodes: list[Node] = []
        for _ in range(NODES):
            data = stack.enter_context(folder())
            options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "5000", "--cluster-port", str(free_port()))
            node = Node(str(embedded.binary()), data, free_port(), *options).start()
            stack.callback(node.kill)
            nodes.append(node)
        _join(nodes)
        yield Store("cluster", nodes, shards)


def _join(nodes: list[Node]) -> None:
    clients: list[Any] = [Redis.from_url(node.url, decode_responses=True) for node in nodes]
    step = 16384 // len(nodes) + 1
    for n, client in enumerate(clients):
        first, last = n * step, min((n + 1) * step, 16384) - 1
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
    for node in nodes[1:]:
        bus = int(_config(node, "cluster-port"))
        clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", node.port, bus)

    def ready() -> bool:
        infos = [client.cluster("INFO") for client in clients]
        return all(info["cluster_state"] == "ok" and info["cluster_known_nodes"] == str(len(nodes)) for info in infos)

    eventually(ready, "the cluster is formed")
    for client in clients:
        client.close()


def _config(node: Node, name: str) -> str:
    with Redis.from_url(node.url, decode_responses=True) as client:
        return str(client.config_get(name)[name])
