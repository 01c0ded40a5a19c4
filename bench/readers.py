"""Many readers of Beeyard's events at once, half of which never read. In a process of its own: it costs nobody else.

`python -m bench.readers SOCKET COUNT` opens them, says `open` when all have been answered, and at the end of its
standard input prints how many events the others got, and how many of its connections were cut off.
"""

import json
import select
import socket
import subprocess
import sys
from pathlib import Path
from typing import Self

_REQUEST = b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"


class Readers:
    """The process, as whoever started it sees it."""

    def __init__(self, path: Path, count: int) -> None:
        command = [sys.executable, "-m", "bench.readers", str(path), str(count)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        if self._process.stdout.readline() != "open\n":
            raise ConnectionError("not all readers were let in")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def end(self) -> dict[str, int]:
        """What they got."""
        said, _ = self._process.communicate("")
        found: dict[str, int] = json.loads(said)
        return found


def main(path: str, count: int) -> None:
    """The process itself."""
    socks = []
    for _ in range(count):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(path)
        sock.sendall(_REQUEST)
        socks.append(sock)
    for sock in socks:
        if not sock.recv(15).startswith(b"HTTP/1.1 200"):
            sys.exit("not answered")
    print("open", flush=True)
    poll = select.epoll()
    poll.register(0, select.EPOLLIN)
    reading = {sock.fileno(): sock for sock in socks[: count // 2]}
    for number in reading:
        poll.register(number, select.EPOLLIN)
    found = {"events": 0, "gaps": 0, "cut_off": 0}
    while 0 not in (ready := [number for number, _ in poll.poll()]):
        for number in ready:
            data = reading[number].recv(1 << 18)
            found["events"] += data.count(b"\nevent: worker\n")
            found["gaps"] += data.count(b"\nevent: gap\n")
            if not data:
                found["cut_off"] += 1
                poll.unregister(number)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
