"""Addresses as people write them, HOST:PORT with brackets around IPv6, and which of them no other machine can reach."""

import ipaddress
import re

from msgspec import Struct

_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*")


class Address(Struct, frozen=True):
    """Where something listens. The host has no brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address(text: str) -> Address:
    """`HOST:PORT`. Raises ValueError."""
    written, colon, port = text.rpartition(":")
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise ValueError(f"{text!r} is no address")
    return Address(host(written), int(port))


def host(text: str) -> str:
    """A name in small letters, or an IP address, whose brackets are taken off. Raises ValueError."""
    name = text.lower().removesuffix(".")
    if _NAME.fullmatch(name):
        return name
    try:
        return str(ipaddress.IPv6Address(text[1:-1] if text[:1] + text[-1:] == "[]" else ""))
    except ValueError:
        raise ValueError(f"{text!r} is no host") from None


def is_loopback(name: str) -> bool:
    """Whether this host, a name or an IP address, is this machine and reached from nowhere else."""
    try:
        found = ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")  # RFC 6761
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def neighbours(ip: str) -> str:
    """The block of addresses that one stranger has at hand: an IPv4 address, 64 bits of an IPv6 one."""
    try:
        found = ipaddress.ip_address(ip.partition("%")[0])
    except ValueError:
        return ip
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is None:
            return str(ipaddress.IPv6Network((found, 64), strict=False))
        found = found.ipv4_mapped
    return str(found)
