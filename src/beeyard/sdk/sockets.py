"""The listening sockets of one attempt: each passed on to it or opened once, and kept over every change of its code.

Whoever serves gets a duplicate. As long as one of them is open, what knocks waits in the same line, so that nobody is
refused between the old and the new.
"""

import os
import socket
from collections.abc import Mapping, MutableMapping

LOOPBACK = "127.0.0.1"
FIRST = 3
"""The descriptor of the first socket that was passed on, as sd_listen_fds(3) has it."""


def passed(environment: MutableMapping[str, str] = os.environ) -> dict[str, socket.socket]:
    """The sockets that this process was given by Beeyard or systemd, by the names of their endpoints; yours to close.

    To be asked once: the variables that tell of them are taken away, for what this process starts is not meant.
    """
    count, pid, names = (environment.pop(f"LISTEN_{what}", "") for what in ("FDS", "PID", "FDNAMES"))
    if pid != str(os.getpid()) or not count.isdecimal():
        return {}
    named = names.split(":") if names else []
    found = {}
    for number in range(int(count)):
        os.set_inheritable(FIRST + number, False)
        name = named[number] if number < len(named) else str(number)
        found[name] = socket.socket(fileno=FIRST + number)
    return found


class Sockets:
    """Those of its endpoints.

    Args:
        hosts: where one listens, if not on the loopback address.
        given: those that were passed on, by endpoint; closed with the rest.
    """

    def __init__(
        self, ports: Mapping[str, int], hosts: Mapping[str, str], given: Mapping[str, socket.socket] | None = None
    ) -> None:
        self._ports = ports
        self._hosts = hosts
        self._open: dict[str, socket.socket] = dict(given or {})
        for sock in self._open.values():
            sock.setblocking(False)

    def get(self, endpoint: str) -> socket.socket:
        """A socket that listens, the caller's to close.

        Raises:
            LookupError: there is no such endpoint.
            OSError: nobody can listen there.
        """
        if endpoint not in self._open:
            self._open[endpoint] = self._opened(endpoint)
        return self._open[endpoint].dup()

    def close(self) -> None:
        """Keep them no longer: what was given out goes on. Harmless twice."""
        while self._open:
            self._open.popitem()[1].close()

    def _opened(self, endpoint: str) -> socket.socket:
        try:
            port = self._ports[endpoint]
        except KeyError:
            known = ", ".join(self._ports) or "none"
            raise LookupError(f"no endpoint {endpoint!r} to listen on: the worker has {known}") from None
        host = self._hosts.get(endpoint, LOOPBACK)
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        made = socket.socket(family, kind, protocol)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.setblocking(False)
            made.bind(address)
            made.listen()
        except BaseException:
            made.close()
            raise
        return made
