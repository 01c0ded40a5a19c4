"""Addresses that can be had, and why others can't, whoever wished for them."""

import errno
import socket
from contextlib import closing
from typing import Any

import pytest

from beeyard.domain.master import ListenSpec
from beeyard.entrypoints.http import binding
from beeyard.entrypoints.http.binding import PORTS, Unbound, bind, port_of, url


async def bound(address: str = "", last: int = 0, **files: Any) -> int:
    """The port that it becomes, given up again."""
    listeners = await bind(ListenSpec(address, **files), last)
    port = port_of(listeners)
    for listener in listeners:
        listener.close()
    return port


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("8600", "'8600' is no address"),
        ("a b:1", "'a b' is no host"),
        ("127.0.0.1:99999", "'127.0.0.1:99999' is no address"),
        ("none:x", "'none:x' is no address"),
        ("0.0.0.0:8600", "0.0.0.0 is not loopback, and anywhere else `tls` is needed"),
        ("[::ffff:192.0.2.1]:8600", "::ffff:192.0.2.1 is not loopback, and anywhere else `tls` is needed"),
    ],
)
async def test_what_can_not_be_had_without_tls_or_at_all(address: str, why: str) -> None:
    """Programs wish for it too, and no worker file has checked that."""
    with pytest.raises(Unbound) as raised:
        await bound(address)
    assert str(raised.value) == why


async def test_with_tls_an_address_of_another_host_is_still_none_of_ours() -> None:
    """In the system's words."""
    with pytest.raises(Unbound, match=r"^192\.0\.2\.1:8600: cannot assign requested address$"):
        await bound("192.0.2.1:8600", certificate="x", key="y")


async def test_a_name_with_an_address_that_is_not_here_is_served_at_its_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """As localhost is, where IPv6 is off."""
    made = binding._socket

    def without_ipv6(family: socket.AddressFamily, name: tuple[str, int]) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        return made(family, name)

    monkeypatch.setattr(binding, "_socket", without_ipv6)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    assert await bound(f"localhost:{port}") == port


async def test_the_last_port_comes_first_if_it_is_one_of_ours() -> None:
    """And the next one that is free where it is taken."""
    listeners = await bind(ListenSpec(), 0)
    try:
        taken = port_of(listeners)
        assert taken in PORTS
        other = await bound(last=taken)
        assert other in PORTS
        assert other != taken
        assert await bound(last=other) == other
        assert await bound(last=22) in PORTS
    finally:
        for listener in listeners:
            listener.close()


async def test_a_host_may_have_no_port_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it says which were tried."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(binding, "PORTS", range(port, port + 1))
        with pytest.raises(Unbound, match=rf"^no free port from {port} to {port} on 127\.0\.0\.1$"):
            await bound()


@pytest.mark.parametrize(
    ("address", "certificate", "shown"),
    [
        ("", "", "http://127.0.0.1:8600"),
        ("[::1]:8600", "", "http://[::1]:8600"),
        ("yard.example.org:8600", "x", "https://yard.example.org:8600"),
        ("0.0.0.0:8600", "x", f"https://{socket.gethostname()}:8600"),
    ],
)
def test_a_browser_is_told_a_name_that_leads_here(address: str, certificate: str, shown: str) -> None:
    """All addresses are none that it could go to."""
    assert url(ListenSpec(address, certificate), 8600) == shown
