"""Connections to an engine's Unix socket, which are reused, and closed where they could not be made.

The SDK's own adapter keeps a connection for every address that was asked for, thus several for every container, and
leaves a socket that found no engine to the garbage collector.
"""

import socket
from typing import Any

from docker.transport.unixconn import UnixHTTPAdapter, UnixHTTPConnection, UnixHTTPConnectionPool

_ALL = "every address"


class Connection(UnixHTTPConnection):
    def connect(self) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(self.timeout)
            sock.connect(self.unix_socket)
        except BaseException:
            sock.close()
            raise
        self.sock = sock


class Connections(UnixHTTPConnectionPool):
    def _new_conn(self) -> Any:
        return Connection(self.base_url, self.socket_path)  # each request says how long it may wait


class UnixSocket(UnixHTTPAdapter):
    """What a session does its requests by, in place of the SDK's."""

    def get_connection(self, url: str | bytes, proxies: Any = None) -> Connections:
        with self.pools.lock:
            pool: Connections | None = self.pools.get(_ALL)
            if pool is None:
                pool = self.pools[_ALL] = Connections(_ALL, self.socket_path, self.timeout)
        return pool
