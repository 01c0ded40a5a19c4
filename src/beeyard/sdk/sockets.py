"""The listening sockets of one attempt: each opened once, and kept over every change of the module's code.

Whoever serves gets a duplicate. As long as one of them is open, what knocks waits in the same line, so that nobody is
refused between the old and the new.
"""

import socket
from collections.abc import Mapping

LOOPBACK = "127.0.0.1"


class Sockets:
    """Those of its endpoints. `hosts`: where one listens, if not on the loopback address."""

    def __init__(self, ports: Mapping[str, int], hosts: Mapping[str, str]) -> None:
        self._ports = ports
        self._hosts = hosts
        self._open: dict[str, socket.socket] = {}

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
