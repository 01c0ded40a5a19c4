"""What a worker file says of the master itself: values, and what can be said of them without looking at the host."""

from typing import Annotated

from msgspec import Meta, Struct, field

from beeyard.domain.address import address
from beeyard.domain.errors import Invalid, Problem
from beeyard.domain.sources import PackagesSpec
from beeyard.domain.spec import Command, HostName, Label, Line, Path


class ListenSpec(Struct, frozen=True, omit_defaults=True):
    """Where the master serves HTTP besides its socket.

    `address` is `HOST:PORT`, `none`, or empty for the default: loopback, port 8600 or the next one that is free.
    Anywhere but on loopback `certificate` and `key` (files) are required; with `client_ca` clients need a certificate
    as well. `hosts`: names by which clients may call it, beside its own. `advertise`: `HOST:PORT` by which workers
    reach it, where that is another than the address.
    """

    address: Line = ""
    certificate: Path = ""
    key: Path = ""
    client_ca: Path = ""
    hosts: Annotated[tuple[HostName, ...], Meta(max_length=100)] = ()
    advertise: Line = ""


class SecretSource(Struct, frozen=True, omit_defaults=True):
    """Where a secret is fetched from, each time it is needed; exactly one of the three."""

    file: Path = ""
    env: Line = ""
    command: Command = ()


class MasterSpec(Struct, frozen=True, omit_defaults=True):
    """What a worker file says of the master itself."""

    listen: ListenSpec = ListenSpec()
    secrets: Annotated[dict[Label, SecretSource], Meta(max_length=1000)] = field(default_factory=dict)
    packages: PackagesSpec = PackagesSpec()


def require_address(listen: ListenSpec) -> None:
    """Raises Invalid for what can't be listened on, whatever this host has, or can't be called."""
    problems = []
    try:
        if listen.address not in ("", "none"):
            address(listen.address)
    except ValueError:
        problems.append(Problem("master.listen.address", listen.address, "HOST:PORT, [IPV6]:PORT or none"))
    try:
        if listen.advertise:
            address(listen.advertise)
    except ValueError:
        problems.append(Problem("master.listen.advertise", listen.advertise, "HOST:PORT or [IPV6]:PORT"))
    if bool(listen.certificate) != bool(listen.key) or (listen.client_ca and not listen.certificate):
        problems.append(Problem("master.listen", "one without the other", "a certificate and its key"))
    if problems:
        raise Invalid("listen_invalid", "{text}", text="\n".join(map(str, problems)), problems=problems)


def reachable(listen: ListenSpec) -> str:
    """The URL by which workers call a master that listens so; empty: none that they could be told."""
    told = listen.advertise or listen.address
    if told in ("", "none") or (not listen.advertise and address(told).host in ("0.0.0.0", "::")):
        return ""
    return f"{'https' if listen.certificate else 'http'}://{address(told)}"


def unreachable(listen: ListenSpec) -> Problem | None:
    """Why no worker could register with a master that listens so; None: it could."""
    if reachable(listen):
        return None
    if listen.address in ("", "none"):
        found, expected = f"listen: {listen.address or 'any port'}", "a `listen` that stays the same, as HOST:PORT"
    else:
        found, expected = f"listen: {listen.address}", "`advertise: HOST:PORT` as well: that is no address to call"
    return Problem("register", f"true, with the master's `{found}`", expected, hint="master: {listen: HOST:PORT}")
