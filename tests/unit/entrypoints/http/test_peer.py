"""Who is at the other end of a unix socket: what the kernel knows, what is claimed, and that neither can harm."""

import os
import pwd
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beeyard.domain.access import EVERYTHING
from beeyard.entrypoints.http.peer import operator, peer, printable


@pytest.mark.parametrize(
    ("account", "login", "claimed", "told"),
    [
        ("root", "", "", ""),
        ("root", "root", "", ""),
        ("root", "ann", "", "ann"),
        ("root", "ann", "ann", "ann"),
        ("root", "", "ann", "ann (claimed)"),
        ("root", "root", "ann", "ann (claimed)"),
        ("root", "ann", "bob", "ann, bob (claimed)"),
        ("ann", "ann", "ann", ""),
    ],
)
def test_what_is_known_and_what_is_claimed_are_told_apart(account: str, login: str, claimed: str, told: str) -> None:
    """Behind sudo the kernel remembers who logged in; a header is a claim."""
    assert operator(account, login, claimed) == told


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_claim_can_not_pass_for_knowledge(login: str, claimed: str) -> None:
    """It is either what is known anyway, or marked."""
    told = operator("root", login, claimed)
    assert told in ("", login) or told.endswith(" (claimed)")


def test_the_kernel_says_who_connected() -> None:
    """Account, process and program of whoever is at the other end: ourselves, here."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        caller = peer(ours, "", "a test")
    assert (caller.name, caller.grant) == (pwd.getpwuid(os.geteuid()).pw_name, EVERYTHING)
    with open("/proc/self/comm", encoding="utf-8") as file:
        assert caller.origin == f"socket, pid {os.getpid()}, {file.read().strip()}"
    assert caller.reason == "a test"


@given(st.text() | st.binary().map(lambda raw: raw.decode(errors="surrogateescape")))
def test_names_can_be_written_everywhere(text: str) -> None:
    """No control characters for terminals, no half characters for encoders."""
    assert printable(text).encode().decode().isprintable()
