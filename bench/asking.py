"""Asking a supervisor how its workers are, the way its own tools do, over its unix socket.

An answer is read to its end and not looked into: what its asker does with it is not the supervisor's cost.
"""

import socket
from pathlib import Path

_CALL = b"<?xml version='1.0'?><methodCall><methodName>supervisor.getAllProcessInfo</methodName></methodCall>"


class Line:
    """One connection, kept open."""

    def __init__(self, path: Path) -> None:
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.settimeout(60)
        self._sock.connect(str(path))

    def ask(self, method: str, path: str, body: bytes = b"", *more: str) -> tuple[int, dict[str, str], int]:
        """Status, headers by small names, and length of the answer."""
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *more, "", ""]
        self._sock.sendall("\r\n".join(lines).encode() + body)
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._received()
        first, *rest = data[:end].decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
        length = int(headers.get("content-length", 0))
        left = length - (len(data) - end - 4)
        while left > 0:
            left -= len(self._received())
        return int(first.split()[1]), headers, length

    def _received(self) -> bytes:
        data = self._sock.recv(1 << 20)
        if not data:
            raise ConnectionError("the answer has no end")
        return data

    def close(self) -> None:
        """Once."""
        self._sock.close()


def ask_supervisord(line: Line) -> int:
    """All processes; the length of the answer."""
    status, _, length = line.ask("POST", "/RPC2", _CALL, "Content-Type: text/xml")
    if status != 200 or not length:
        raise ConnectionError(f"getAllProcessInfo was answered with status {status}")
    return length


def ask_beeyard(line: Line, path: str = "/v1/workers", tag: str = "") -> tuple[int, str]:
    """All workers, or what else is at this path: the status, and the tag of the answer."""
    status, headers, _ = line.ask("GET", path, b"", *([f"If-None-Match: {tag}"] if tag else []))
    return status, headers.get("etag", "")
