"""One unix socket connection: whole messages in, messages out, never blocking."""

import contextlib
import socket
from collections import deque
from collections.abc import Callable

from beeyard.launcher import passing
from beeyard.launcher.loop import Loop
from beeyard.launcher.protocol import BrokenPeer, Message, Unpacker, pack


class Connection:
    """Messages that arrive are queued in `inbox`, and open files that came with them in `files`; `flush` sends what was
    queued by `send`, as far as it goes now."""

    def __init__(self, loop: Loop, sock: socket.socket, closed: Callable[["Connection"], None]) -> None:
        sock.setblocking(False)
        self._loop = loop
        self._socket = sock
        self._closed = closed
        self._unpacker = Unpacker()
        self._out = passing.Outgoing()
        self.files: deque[int] = deque()
        self.inbox: deque[Message] = deque()
        self.open = True
        self.master = False
        loop.watch(sock.fileno(), self._ready)

    def send(self, message: Message, *files: int) -> None:
        """Queue a message, and open files that it speaks of; nothing happens once the connection is closed."""
        if self.open:
            self._out.add(pack(message), files)

    def flush(self) -> None:
        """Send as much as the socket takes; the rest when it takes more."""
        if not self._out.data or not self.open:
            return
        try:
            self._out.send(self._socket)
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            return
        self._loop.watch(self._socket.fileno(), self._ready, write=bool(self._out.data))

    def close(self) -> None:
        """Harmless twice."""
        if self.open:
            self.open = False
            self._loop.forget(self._socket.fileno())
            with contextlib.suppress(OSError):
                self._socket.close()
            self._out.close()
            passing.close(self.files)
            self._closed(self)

    def _ready(self, events: int) -> None:
        try:
            data = passing.receive(self._socket, 262144, self.files)
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
        if self._out.data:
            self.flush()
