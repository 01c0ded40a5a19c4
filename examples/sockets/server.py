"""A plain HTTP server that takes its socket from whoever started it, and ends without leaving a request unanswered.

Standard library only: sd_listen_fds(3) says how the socket comes, and needs no library.
"""

import os
import signal
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORD = sys.argv[1] if len(sys.argv) > 1 else "hello"
ending = threading.Event()


class Answer(BaseHTTPRequestHandler):
    """One connection, in a thread of its own."""

    protocol_version = "HTTP/1.1"
    timeout = 2  # Seconds that a connection may be idle: as long as we wait for it when we end.

    def do_GET(self) -> None:
        """Says the word, and which process said it."""
        body = f"{WORD} {os.getpid()}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        if ending.is_set():
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of what went well."""


class Server(ThreadingHTTPServer):
    """Listens at a socket that others opened."""

    daemon_threads = False  # `server_close` waits for those that still answer.

    def __init__(self, given: socket.socket) -> None:
        super().__init__(given.getsockname(), Answer, bind_and_activate=False)
        self.socket.close()
        self.socket = given
        given.setblocking(False)  # Others may have it too, and take what we were about to accept.

    def get_request(self) -> tuple[socket.socket, object]:
        """At a unix socket nobody has an address."""
        connection, address = super().get_request()
        return connection, address or ("unix", 0)


def main() -> None:
    """Until SIGTERM: then no more is accepted, and what was is answered."""
    assert os.environ.get("LISTEN_PID") == str(os.getpid()), "no socket was passed to this process"
    server = Server(socket.socket(fileno=3))

    def end(number: int, frame: object) -> None:
        ending.set()
        threading.Thread(target=server.shutdown).start()  # It waits for the loop that this handler interrupts.

    signal.signal(signal.SIGTERM, end)
    server.serve_forever(poll_interval=0.05)
    server.server_close()


if __name__ == "__main__":
    main()
