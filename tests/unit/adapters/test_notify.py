"""The notify socket: what a datagram says, whose it is, and that nothing of it is left open."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from beeyard.adapters.notify import NotifySocket, understood
from beeyard.launcher.paths import Paths
from beeyard.ports.notify import Word


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"READY=1", Word(ready=True)),
        (b"READY=0\nMAINPID=1\nFOO=bar\nnothing", Word()),
        (b"RELOADING=1\nMONOTONIC_USEC=1", Word(reloading=True)),
        (b"STOPPING=1\nEXTEND_TIMEOUT_USEC=2500000", Word(stopping=True, extend=2.5)),
        (b"EXTEND_TIMEOUT_USEC=18446744073709551615", Word(extend=86400.0)),
        (b"EXTEND_TIMEOUT_USEC=-1\nERRNO=x", Word()),
        (b"WATCHDOG=1", Word(watchdog="alive")),
        (b"WATCHDOG=trigger", Word(watchdog="trigger")),
        (b"STATUS=\x1b[31mred\xff", Word(status=" [31mred\N{REPLACEMENT CHARACTER}")),
        (b"STATUS=" + b"x" * 1000, Word(status="x" * 200)),
        (b"STATUS=no config\nERRNO=2", Word(status="no config (No such file or directory)")),
        (b"ERRNO=2", Word(status="No such file or directory")),
        (b"STATUS=", Word(status="")),
    ],
)
def test_what_a_datagram_says(data: bytes, word: Word) -> None:
    """Unknown and malformed assignments say nothing; a status can't write on anybody's terminal."""
    assert understood(data) == word


async def test_a_descriptor_that_comes_along_is_closed(tmp_path: Path) -> None:
    """systemd-notify waits for that, by BARRIER=1 and the end of a pipe, before it ends."""
    paths = Paths(str(tmp_path / "s"))
    paths.create()
    notices = NotifySocket.open(paths)
    ours, theirs = os.pipe()
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(ours, over.set)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaking:
            speaking.connect(paths.notify_socket)
            socket.send_fds(speaking, [b"BARRIER=1"], [theirs])
        os.close(theirs)
        await over.wait()
        assert os.read(ours, 1) == b""
    finally:
        asyncio.get_running_loop().remove_reader(ours)
        os.close(ours)
        await notices.close()
        await notices.close()
        paths.clear()
    assert not os.path.exists(paths.notify_socket)
