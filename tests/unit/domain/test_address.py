"""Addresses as they are written, which of them are loopback, and who is whose neighbour."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beeyard.domain.address import Address, address, host, is_loopback, neighbours

ADDRESSES = st.builds(Address, st.ip_addresses().map(str), st.integers(1, 65535))


@given(ADDRESSES)
def test_what_is_printed_is_read_again(one: Address) -> None:
    """With brackets where they are needed."""
    assert address(str(one)) == one


@given(st.text(max_size=12) | st.from_regex(r"[\[\]a-z0-9.:_-]{0,20}", fullmatch=True))
def test_any_text_is_an_address_or_none(text: str) -> None:
    """Nothing else is raised, and what is read can be printed and read again."""
    try:
        found = address(text)
    except ValueError:
        return
    assert 1 <= found.port <= 65535
    assert address(str(found)) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [("Yard.Example.ORG.", "yard.example.org"), ("[::1]", "::1"), ("[0:0::1]", "::1"), ("10.0.0.1", "10.0.0.1")],
)
def test_a_host_has_one_form(text: str, found: str) -> None:
    """Small letters, no brackets, no dot at the end."""
    assert host(text) == found


@pytest.mark.parametrize("text", ["", ".", "a..b", "::1", "[::1", "[x]", "a b", "a/b", "-a", "ä", "a" * 64, "a\n"])
def test_what_is_no_host(text: str) -> None:
    """IPv6 wants brackets, here as in URLs."""
    with pytest.raises(ValueError, match="is no host"):
        host(text)


@pytest.mark.parametrize("name", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "a.localhost", "::ffff:127.0.0.1"])
def test_loopback(name: str) -> None:
    """What no other machine reaches."""
    assert is_loopback(name)


@pytest.mark.parametrize("name", ["0.0.0.0", "::", "192.0.2.1", "notlocalhost", "localhost.org", "::ffff:10.0.0.1"])
def test_not_loopback(name: str) -> None:
    """What another may reach, or who knows."""
    assert not is_loopback(name)


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_whoever_has_an_ipv6_network_is_one_stranger(first: ipaddress.IPv6Address, low: int) -> None:
    """Its 2^64 addresses are one key."""
    other = ipaddress.IPv6Address(int(first) >> 64 << 64 | low)
    if first.ipv4_mapped is None and other.ipv4_mapped is None:
        assert neighbours(str(first)) == neighbours(str(other))


def test_every_ipv4_address_is_a_stranger_of_its_own() -> None:
    """However it is written; a scope says nothing, and what is no address stands for itself."""
    assert neighbours("192.0.2.1") == neighbours("::ffff:192.0.2.1") == "192.0.2.1"
    assert neighbours("fe80::1%eth0") == "fe80::/64"
    assert neighbours("") == ""
