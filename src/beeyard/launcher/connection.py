"""One unix socket connection: whole messages in, messages out, never blocking."""

import contextlib
import socket
from collections import deque
from collections.abc import Callable

from beeyard.launcher.loop import Loop
from beeyard.launcher.protocol import BrokenPeer, Message, Unpacker, pack


class Connection:
    """Messages that arrive are queued in `inbox`; `flush` sends what was queued by `send`, as far as it goes now."""

    def __init__(self, loop: Loop, sock: socket.socket, closed: Callable[["Connection"], None]) -> None:
        sock.setblocking(False)
        self._loop = loop
        self._socket = sock
        self._closed = closed
        self._unpacker = Unpacker()
        self._out = bytearray()
        self.inbox: deque[Message] = deque()
        self.open = True
        self.master = False
        loop.watch(sock.fileno(), self._ready)

    def send(self, message: Message) -> None:
        """Queue a message; nothing happens once the connection is closed."""
        if self.open:
            self._out += pack(message)

    def flush(self) -> None:
        """Send as much as the socket takes; the rest when it takes more."""
        if not self._out or not self.open:
            return
        try:
            sent = self._socket.send(self._out)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        del self._out[:sent]
        self._loop.watch(self._socket.fileno(), self._ready, write=bool(self._out))

    def close(self) -> None:
        """Harmless twice."""
        if self.open:
            self.open = False
            self._loop.forget(self._socket.fileno())
            with contextlib.suppress(OSError):
                self._socket.close()
            self._closed(self)

    def _ready(self, events: int) -> None:
        try:
            data = self._socket.recv(262144)
            if data:
                self.inbox.extend(self._unpacker.feed(data))
            else:
                self.close()
                return
        except BlockingIOError:
            pass
        except (OSError, BrokenPeer):
            self.close()
            return
        if self._out:
            self.flush()
