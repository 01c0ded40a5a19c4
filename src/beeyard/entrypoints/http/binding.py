"""Listening sockets: for an address as it is written, or for the first one of our own that is free.

What is not on loopback is not opened without TLS, whoever asks for it: tokens would be there for all to read.
"""

import asyncio
import errno
import socket
from collections.abc import Iterable, Sequence

from beeyard.domain.address import Address, address, is_loopback
from beeyard.domain.master import ListenSpec

HOST, PORTS = "127.0.0.1", range(8600, 8700)
"""Where a master listens of which nothing is said: several on one host are quite usual."""
WAITING = 1024
"""Connections that may wait to be accepted; the kernel lets one more wait for a second before it asks again."""

_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_EVERYWHERE = ("0.0.0.0", "::")


class Unbound(Exception):
    """Why an address can't be had."""


async def bind(wish: ListenSpec, last: int) -> list[socket.socket]:
    """Sockets that listen. Raises Unbound.

    Args:
        last: the port to try first where none is written.
    """
    if wish.address:
        try:
            where = address(wish.address)
        except ValueError as error:  # A worker file is checked; a program may have asked for this.
            raise Unbound(str(error)) from None
        return _listen(await _resolve(where, secure=bool(wish.certificate)), str(where))
    for port in [last, *PORTS] if last in PORTS else PORTS:
        try:
            return [_socket(socket.AF_INET, (HOST, port))]
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise Unbound(f"{HOST}:{port}: {_reason(error)}") from None
    raise Unbound(f"no free port from {PORTS[0]} to {PORTS[-1]} on {HOST}")


def port_of(listeners: Sequence[socket.socket]) -> int:
    """The port, which all of them have in common."""
    return int(listeners[0].getsockname()[1])


def url(wish: ListenSpec, port: int) -> str:
    """What a browser on this host is told."""
    host = address(wish.address).host if wish.address else HOST
    if host in _EVERYWHERE:
        host = socket.gethostname()
    return f"{'https' if wish.certificate else 'http'}://{Address(host, port)}"


async def _resolve(where: Address, *, secure: bool) -> Sequence[tuple[socket.AddressFamily, tuple[str, int]]]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise Unbound(f"{where.host} is no address of this host: {_reason(error)}") from None
    pairs = list(dict.fromkeys((family, (str(name[0]), int(name[1]))) for family, _, _, _, name in found))
    if not secure and (open_to_others := [name for _, (name, _) in pairs if not is_loopback(name)]):
        raise Unbound(f"{open_to_others[0]} is not loopback, and anywhere else `tls` is needed")
    return pairs


def _listen(pairs: Iterable[tuple[socket.AddressFamily, tuple[str, int]]], what: str) -> list[socket.socket]:
    """A name may have addresses that this host has not, such as ::1 where IPv6 is off; one that it has will do."""
    listeners: list[socket.socket] = []
    absent: OSError | None = None
    for family, name in pairs:
        try:
            listeners.append(_socket(family, name))
        except OSError as error:
            if error.errno not in _NOT_HERE:
                for listener in listeners:
                    listener.close()
                raise Unbound(f"{what}: {_reason(error)}") from None
            absent = error
    if absent is not None and not listeners:
        raise Unbound(f"{what}: {_reason(absent)}")
    return listeners


def _socket(family: socket.AddressFamily, name: tuple[str, int]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.setblocking(False)
        listener.bind(name)
        listener.listen(WAITING)
    except OSError:
        listener.close()
        raise
    return listener


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
