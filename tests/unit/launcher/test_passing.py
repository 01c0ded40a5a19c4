"""Open files over a connection: each is there when the message is that speaks of it, however many there are."""

import errno
import os
import resource
import socket
from collections import deque
from contextlib import suppress

import pytest

from beeyard.launcher.passing import MOST, Outgoing, close, receive
from tests.descriptors import opened

COUNT = 2 * MOST + 5


@pytest.mark.parametrize("size", [20, 1000])
def test_no_message_overtakes_its_file(size: int) -> None:
    """More files than go with one write; of the longer messages, also more bytes than the socket takes at once."""
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        outgoing, files, data = Outgoing(), deque[int](), b""
        before = opened()
        made = os.memfd_create("test")
        for _ in range(COUNT):
            outgoing.add(b"x" * size, [made])
        os.close(made)
        while len(data) < size * COUNT:
            with suppress(BlockingIOError):
                outgoing.send(left)
            data += receive(right, 4096, files)
            assert len(files) >= len(data) // size
        assert (len(data), len(files)) == (size * COUNT, COUNT)
        assert not any(map(os.get_inheritable, files))
        close(files)
        assert not opened() - before


def test_what_was_not_sent_is_closed() -> None:
    """Whoever it was meant for is gone."""
    before = opened()
    outgoing = Outgoing()
    outgoing.add(b"x", [0])
    outgoing.close()
    assert not opened() - before


def test_what_can_not_be_duplicated_is_not_queued() -> None:
    """Nor is the message that speaks of it, nor stays open what could be."""
    before = opened()
    outgoing = Outgoing()
    with pytest.raises(OSError, match="Bad file descriptor"):
        outgoing.add(b"x", [0, 10**6])
    assert not outgoing.data
    assert not opened() - before


def test_a_file_for_which_there_is_no_room_is_an_error() -> None:
    """Else the next one would be taken for it."""
    left, right = socket.socketpair()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with left, right:
        socket.send_fds(left, [b"x"], [0, 1])
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            with pytest.raises(OSError, match="Too many open files") as caught:
                receive(right, 4096, deque())
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert caught.value.errno == errno.EMFILE
