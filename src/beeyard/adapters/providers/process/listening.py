"""The listening sockets that a process is to be given, as the launcher is told of them: names looked up, none opened.

Instances of a group share what the file fixes, a port or a path; a port that is chosen is each one's own. Connections
at a port that they share are to be led to those that are ready (`led`).
"""

import asyncio
import grp
import pwd
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from beeyard.adapters.providers.process.integrated import PORT
from beeyard.adapters.providers.process.section import ProcessSection
from beeyard.domain.errors import Problem, Rejected
from beeyard.domain.spec import Endpoint, Listen, WorkerSpec, shares
from beeyard.domain.values import instance_of


async def wishes(spec: WorkerSpec, ports: Mapping[str, int]) -> list[dict[str, Any]]:
    """One for each, in the order of the file. Raises Rejected for a host, a user or a group that there is not."""
    found = []
    for name, endpoint in spec.endpoints.items():
        if endpoint.listen is not None:
            fixed = bool(endpoint.port or endpoint.unix)
            owner = instance_of(spec.id) if fixed else spec.id
            place = _file(endpoint.listen) if endpoint.unix else await _place(endpoint, ports[name])
            led = {"led": True} if shares(spec) and endpoint.port else {}
            found.append({"owner": owner, "name": name, **place, **led})
    return found


def problems(section: ProcessSection, spec: WorkerSpec) -> Iterator[Problem]:
    """Who opens its port by itself."""
    if section.kind == "integrated" and PORT in spec.endpoints and spec.endpoints[PORT].listen is not None:
        yield Problem(f"endpoints.{PORT}.listen", "a socket", "none: an integrated worker opens its port by itself")


async def _place(endpoint: Endpoint, port: int) -> dict[str, Any]:
    try:
        loop, flags = asyncio.get_running_loop(), socket.AI_PASSIVE
        rows = await loop.getaddrinfo(endpoint.host, port, type=socket.SOCK_STREAM, flags=flags)
    except OSError as error:
        text = "listen at {host}: {reason}"
        raise Rejected("address_not_here", text, host=endpoint.host, reason=str(error.strerror)) from None
    host = socket.getnameinfo(rows[0][4], socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]
    chosen, asked = not endpoint.port, endpoint.protocol in ("http", "https", "grpc")
    return {"host": host, "port": port, **({"any": True} if chosen else {}), **({"asked": True} if asked else {})}


def _file(listen: Listen) -> dict[str, Any]:
    try:
        user = {} if listen.user is None else {"user": pwd.getpwnam(listen.user).pw_uid}
        group = {} if listen.group is None else {"group": grp.getgrnam(listen.group).gr_gid}
    except KeyError as error:
        raise Rejected("no_such_user", "{text}", text=str(error.args[0])) from None
    return {"path": listen.unix, "mode": listen.mode, **user, **group}
