"""Those who speak to the pump: the launcher, and for a moment the launcher that follows it.

Knows sockets and the framing; what a message means is the pump's to say.
"""

import os
import select
import socket
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress

from beeyard.launcher import passing
from beeyard.launcher.protocol import BrokenPeer, Message, Unpacker, pack

Answer = Callable[["Client", Message], Message]


class Client:
    """One connection. `files`: open files that came with its messages; `giving`: those that go with the next answer."""

    __slots__ = ("files", "giving", "greeted", "outgoing", "peer", "unpacker")

    def __init__(self, peer: socket.socket) -> None:
        self.peer = peer
        self.unpacker = Unpacker()
        self.outgoing = passing.Outgoing()
        self.files: deque[int] = deque()
        self.giving: list[int] = []
        self.greeted = False


class Clients:
    """The listening socket and its connections. A client that is slow to read is waited for by nobody."""

    def __init__(self, path: str, answer: Answer) -> None:
        with suppress(FileNotFoundError):
            os.unlink(path)  # a predecessor's: the caller holds the lock
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        before = os.umask(0o177)
        try:
            self._listener.bind(path)
        finally:
            os.umask(before)
        self._listener.listen(16)
        self._path = path
        self._answer = answer
        self._clients: dict[int, Client] = {}
        self._epoll = select.epoll()
        self._epoll.register(self._listener, select.EPOLLIN)

    def fileno(self) -> int:
        """Readable when someone wants something."""
        return self._epoll.fileno()

    def __iter__(self) -> Iterator[Client]:
        return iter(self._clients.values())

    def serve(self, timeout: float) -> None:
        """Wait so long for something to happen, at most, and see to it."""
        for fd, events in self._epoll.poll(timeout):
            client = self._clients.get(fd)
            if client is None:
                self._accept()
            elif events & ~select.EPOLLOUT:
                self._receive(client)
            elif not self._send(client):
                self._lose(client)

    def close(self) -> None:
        """Send what can be sent at once, and be gone."""
        for client in list(self):
            self._send(client)
            self._lose(client)
        with suppress(OSError):
            os.unlink(self._path)
        self._listener.close()
        self._epoll.close()

    def _accept(self) -> None:
        with suppress(OSError):
            peer, _ = self._listener.accept()
            peer.setblocking(False)
            self._clients[peer.fileno()] = Client(peer)
            self._epoll.register(peer, select.EPOLLIN)

    def _receive(self, client: Client) -> None:
        try:
            data = passing.receive(client.peer, 1 << 16, client.files)
            messages = client.unpacker.feed(data)
        except BlockingIOError:
            return
        except (OSError, BrokenPeer):
            self._lose(client)
            return
        for message in messages:
            answer = pack({"re": message.get("id"), **self._answer(client, message)})
            try:
                client.outgoing.add(answer, client.giving)
            except OSError:  # There is no room for the duplicates: whoever asked has to do without.
                self._lose(client)
                return
            client.giving.clear()
        if not data or not self._send(client):
            self._lose(client)

    def _send(self, client: Client) -> bool:
        """Send what the socket takes; the rest when it takes more. False: it is broken."""
        try:
            while client.outgoing.data:
                client.outgoing.send(client.peer)
        except BlockingIOError:
            pass
        except OSError:
            return False
        waiting = select.EPOLLOUT if client.outgoing.data else 0
        self._epoll.modify(client.peer, select.EPOLLIN | waiting)
        return True

    def _lose(self, client: Client) -> None:
        if self._clients.pop(client.peer.fileno(), None):
            client.peer.close()
            client.outgoing.close()
            passing.close(client.files)
