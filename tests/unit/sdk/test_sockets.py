"""Sockets that were passed on to a process: taken by their names, once, and only by whom they were meant for."""

import socket
import subprocess
import sys

from beeyard.sdk.sockets import Sockets

TAKES = """
import os, socket, sys
sock = socket.create_server(("127.0.0.1", 0))
os.dup2(sock.fileno(), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid() + int(sys.argv[1])), "LISTEN_FDNAMES": sys.argv[2]}
from beeyard.sdk.sockets import passed
found = passed()
print({name: one.getsockname() == sock.getsockname() for name, one in found.items()}, passed())
print([name for name in os.environ if name.startswith("LISTEN")], os.get_inheritable(3))
"""


def taken(other: int, names: str) -> list[str]:
    """What a process says that finds a socket, meant for a pid that is `other` from its own."""
    done = subprocess.run(
        [sys.executable, "-c", TAKES, str(other), names], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.splitlines()


def test_they_are_taken_once_by_their_names() -> None:
    """What it starts hears nothing of them; one without a name is known by its number."""
    assert taken(0, "http") == ["{'http': True} {}", "[] False"]
    assert taken(0, "") == ["{'0': True} {}", "[] False"]


def test_what_was_meant_for_another_is_left_alone() -> None:
    """A parent's, say."""
    assert taken(1, "http")[0] == "{} {}"


def test_one_that_was_passed_on_counts_before_a_port() -> None:
    """Nothing is opened for it, and it needs no port; closed, its duplicates go on."""
    with socket.create_server(("127.0.0.1", 0)) as given:
        sockets = Sockets({"http": 1}, {}, {"http": given.dup()})
        with sockets.get("http") as first:
            sockets.close()
            assert first.getsockname() == given.getsockname()
            assert not first.getblocking()
