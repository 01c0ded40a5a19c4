#!/usr/bin/env python3
"""A small web service: says who answers. Ends on SIGTERM, after the requests under way.

It listens twice: on the port that Beeyard chose, for probes and for you, and on a socket whose name Caddy knows.
"""

import os
import signal
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME = os.environ.get("BEEYARD_WORKER", "hello")


class Handler(BaseHTTPRequestHandler):
    """Answers / and /health."""

    timeout = 5  # seconds that a client may take over its request

    def do_GET(self) -> None:
        """Any path but those two is not found."""
        known = {"/": f"Hello from {NAME}, pid {os.getpid()}.\n", "/health": "ok\n"}
        body = known.get(self.path, "not found\n").encode()
        self.send_response(200 if self.path in known else 404)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        """For the log; a client of the unix socket has no address."""
        return "caddy" if self.server.address_family == socket.AF_UNIX else "direct"

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """A line for each request but the probes'."""
        if self.path != "/health":
            print(f"{self.address_string()}: {self.requestline} -> {int(str(code))}", flush=True)


class Server(ThreadingHTTPServer):
    """On TCP; its end waits for the requests under way."""

    daemon_threads = False


class UnixServer(Server):
    """The same on a unix socket."""

    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        """HTTPServer's own would look for a host name in the address."""
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = NAME, 0


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    servers: list[Server] = [Server(("127.0.0.1", int(os.environ.get("BEEYARD_PORT_HTTP", "8080"))), Handler)]
    if name := os.environ.get("SOCKET"):
        servers.append(UnixServer(f"\0{name}-{NAME}", Handler))  # type: ignore[arg-type]
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    for server in servers:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    print(f"{NAME} listens on {servers[0].server_address}", flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    for server in servers:
        server.shutdown()
    for server in servers:
        server.server_close()
    print(f"{NAME} ends", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
