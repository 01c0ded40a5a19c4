"""Who is at the other end of a unix socket: the kernel's word, and what is only claimed, told apart."""

import os
import pwd
import socket
import struct
from functools import cache

from beeyard.application.operation import Caller
from beeyard.domain.access import EVERYTHING
from beeyard.domain.errors import Denied

_CREDENTIALS = struct.Struct("3i")
_NOBODY = 2**32 - 1
"""The login of what no login began (proc_pid_loginuid(5))."""


def peer(sock: socket.socket, claimed: str, reason: str) -> Caller:
    """The user as the kernel saw it connect. Raises Denied for any but root and our own, whatever the file's mode."""
    pid, uid, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    if uid not in (0, os.geteuid()):
        raise Denied("not_your_master", "this master belongs to another user", hint="ask as that user, or as root")
    name = _account(uid)
    program = printable(_of_process(pid, "comm"))
    origin = ", ".join(part for part in ("socket", f"pid {pid}", program) if part)
    return Caller(name, EVERYTHING, operator(name, _login(pid), claimed), origin, reason)


def operator(account: str, login: str, claimed: str) -> str:
    """The person behind an account: who logged in, as the kernel remembers over sudo and su; and who it is said to be.

    What is said and does not follow from what is known is marked so: nobody can claim that away.
    """
    known = login if login != account else ""
    said = f"{claimed} (claimed)" if claimed not in ("", account, login) else ""
    return ", ".join(part for part in (known, said) if part)


def printable(text: str) -> str:
    """Without control characters, and without what is no Unicode."""
    return "".join(char for char in text if char.isprintable())


def _login(pid: int) -> str:
    """The user as which somebody logged in before becoming another; empty where nobody did."""
    text = _of_process(pid, "loginuid")
    return _account(int(text)) if text.isdecimal() and int(text) != _NOBODY else ""


@cache
def _account(uid: int) -> str:
    """Asked once: the answer may come over a network. A name is kept as long as the master lives."""
    try:
        return printable(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return f"uid {uid}"


def _of_process(pid: int, name: str) -> str:
    """One of its files in /proc; empty for one that is gone, or lives where we can't see it."""
    try:
        with open(f"/proc/{pid}/{name}", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
