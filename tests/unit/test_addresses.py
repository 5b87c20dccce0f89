"""From where a visitor comes: IPv6 by network, proxies only where they are trusted."""

from typing import Any

import pytest

from api.addresses import LOCAL, Visitors
from duestream.addresses import canonical, networks


def scope(host: str | None, *forwarded: str) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", each.encode()) for each in forwarded]
    return {"client": None if host is None else (host, 1234), "headers": headers}


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:DB8:1:2::", "2001:db8:1:2::"),
        ("2001:db8:1:2::/64", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
    ],
)
def test_an_address_is_known_by_one_name_and_ipv6_by_its_network(text: str, known: str) -> None:
    assert canonical(text) == known


def test_without_trusted_proxies_what_a_visitor_says_of_himself_counts_for_nothing() -> None:
    assert Visitors([]).of(scope("203.0.113.7", "198.51.100.1")) == "203.0.113.7"


@pytest.mark.parametrize(
    ("host", "forwarded", "expected"),
    [
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1:5050"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8::1]:5050"], "2001:db8::"),
        ("10.0.0.1", ["192.0.2.9, 198.51.100.1"], "198.51.100.1"),  # the first part is his own invention
        ("10.0.0.1", ["192.0.2.9", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),  # two of ours, one after the other
        ("10.0.0.1", ["10.0.0.3"], "10.0.0.3"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("203.0.113.7", ["198.51.100.1"], "203.0.113.7"),  # he is no proxy of ours
    ],
)
def test_behind_trusted_proxies_the_last_address_that_is_none_of_theirs_counts(
    host: str, forwarded: list[str], expected: str
) -> None:
    assert Visitors(networks("10.0.0.0/8")).of(scope(host, *forwarded)) == expected


def test_each_request_is_told_by_itself() -> None:
    visitors = Visitors([])

    assert [visitors.of(scope(host)) for host in ("1.1.1.1", "2.2.2.2", "1.1.1.1")] == ["1.1.1.1", "2.2.2.2", "1.1.1.1"]


@pytest.mark.parametrize("host", [None, "", "testclient"])
def test_who_has_no_address_is_local(host: str | None) -> None:
    assert Visitors([]).of(scope(host)) == LOCAL


def test_networks_are_named_by_addresses_too() -> None:
    assert [str(each) for each in networks("10.0.0.0/8, 192.0.2.1,::1")] == ["10.0.0.0/8", "192.0.2.1/32", "::1/128"]
    with pytest.raises(ValueError, match="proxy"):
        networks("proxy.example")
