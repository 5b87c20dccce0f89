"""Addresses of visitors, as bans and limits know them."""

import ipaddress

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def networks(text: str) -> list[Network]:
    """Addresses and networks, separated by commas. Raises ValueError."""
    parts = filter(None, (part.strip() for part in text.split(",")))
    return [ipaddress.ip_network(part, strict=False) for part in parts]


def parse(text: str) -> Address:
    """An address, perhaps with a port or in brackets. An IPv4 one that is written as IPv6 is an IPv4 one.

    Raises ValueError.
    """
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    address = ipaddress.ip_address(text.partition("%")[0])
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address


def canonical(text: str) -> str:
    """An address as bans know it: of IPv6 the first of its 64-bit network, since one visitor has all of it.

    Raises ValueError.
    """
    address = parse(text.removesuffix("/64"))
    return str(address if address.version == 4 else ipaddress.ip_network((address, 64), strict=False).network_address)
