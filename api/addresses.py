"""From where a visitor comes: the address that bans and limits are for."""

from collections.abc import Sequence

from starlette.types import Scope

from duestream.addresses import Network, canonical, parse

LOCAL = "local"  # who has no address, as on a Unix socket


class Visitors:
    """Tells visitors' addresses; behind proxies that are trusted, it is what they say."""

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = trusted
        self._last = ("", LOCAL)  # mostly the next one comes from the same

    def of(self, scope: Scope) -> str:
        """The canonical address of who sent a request."""
        client = scope.get("client")
        host = client[0] if client else ""
        if self._trusted:
            host = self._behind_proxies(scope, host)
        if host != self._last[0]:
            self._last = (host, _or_local(host))
        return self._last[1]

    def _behind_proxies(self, scope: Scope, host: str) -> str:
        """The last address on the way here that no trusted proxy has."""
        values = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
        hops = [hop.strip() for hop in ",".join(values).split(",") if hop.strip()]
        while hops and self._is_trusted(host):
            try:
                host = str(parse(hops.pop()))
            except ValueError:
                break  # nobody that we trust writes this
        return host

    def _is_trusted(self, host: str) -> bool:
        try:
            address = parse(host)
        except ValueError:
            return False
        return any(address in network for network in self._trusted)


def _or_local(host: str) -> str:
    try:
        return canonical(host)
    except ValueError:
        return LOCAL
