"""What runs before a confined command, in a process of its own that gives everything up and then becomes it.

It tries what holds best first: a view of the host of its own, and where nobody may have one, landlock and no sockets.
The order comes on standard input, the answer goes to standard output as fields between NUL bytes: `ended` with the exit
code (of a signal its negative number), the version of landlock, whether it was alone and whether without network;
`missing` with the number of a system error; or `unheld`. Standard library only.
"""

import contextlib
import fcntl
import marshal
import os
import signal
import socket
import struct
import sys
from types import FrameType
from typing import Any

from beeyard.adapters.archives import confine
from beeyard.adapters.confined import walls
from beeyard.adapters.confined.becoming import become, tell

_SIOCSIFFLAGS, _UP_AND_RUNNING = 0x8914, 0x41
_PR_SET_CHILD_SUBREAPER = 36


class Over(Exception):
    """Somebody ends us before the command ended."""


def main() -> None:
    """Do what the order says; exit code 0 whenever there is an answer."""
    order = marshal.load(sys.stdin.buffer)
    confine._libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        signal.signal(signal.SIGTERM, _over)
        confine.die_with(order["parent"], signal.SIGTERM)
        for users in (True, False, None):  # root may have a view of its own where nobody may make namespaces of users
            known = _tried(order, users=users)
            if "unwalled" not in known:
                break
        _answer(known)
    except Over:
        pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _end()


def _tried(order: dict[str, Any], *, users: bool | None) -> dict[str, str]:
    """With a view of its own, by a namespace of `users` or without; None: without one."""
    told, into = os.pipe()
    if os.fork() == 0:
        os.close(told)
        try:
            _keep(order, into, users)
        finally:
            os._exit(1)
    os.close(into)
    with open(told, encoding="ascii") as lines:
        return dict(line.split() for line in lines)


def _keep(order: dict[str, Any], into: int, users: bool | None) -> None:
    """The namespaces are made here, and the first process in them."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if users is not None:
        try:
            walls.separate(users=users, network=order["network"])
        except OSError as error:
            tell(into, "unwalled", error.errno or 0)
            return
    confine.die_with(os.getppid())
    first = os.fork()
    if first == 0:
        try:
            _first(order, into, alone=users is not None)
        finally:
            os._exit(1)
    os.close(into)
    os.waitpid(first, 0)


def _first(order: dict[str, Any], into: int, *, alone: bool) -> None:
    """The first process of its namespace: when it ends, the kernel ends all others there."""
    confine.die_with(os.getppid())
    if alone:
        if not order["network"]:
            _loopback()
        try:
            walls.enclose(order["folder"], order["tools"], order["sinks"])
        except OSError as error:
            tell(into, "unwalled", error.errno or 0)
            return
    command = os.fork()
    if command == 0:
        try:
            become(order, into, alone=alone)
        except OSError as error:
            tell(into, "missing", error.errno or 0)
        finally:
            os._exit(127)
    ended = status = 0
    while ended != command:
        ended, status = os.wait()  # orphans of the command are ours as well
    tell(into, "ended", os.waitstatus_to_exitcode(status))


def _end() -> None:
    """Whoever is left, wherever it went: what loses its parent becomes a child of ours."""
    while True:
        try:
            with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
                children = file.read().split()
        except OSError:  # a kernel that does not tell
            os.killpg(0, signal.SIGKILL)
        for pid in children:
            os.kill(int(pid), signal.SIGKILL)  # it is there until we wait for it
        try:
            os.wait()
        except ChildProcessError:
            return


def _over(number: int, frame: FrameType | None) -> None:
    raise Over


def _loopback() -> None:
    """A namespace of its own begins with its loopback down, and tests of what is built may want it."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any:
        fcntl.ioctl(any, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _UP_AND_RUNNING))


def _answer(known: dict[str, str]) -> None:
    fields: tuple[str, ...] = ()
    if "missing" in known:
        fields = ("missing", known["missing"])
    elif "unheld" in known:
        fields = ("unheld",)
    elif "ended" in known:
        fields = ("ended", known["ended"], known["landlock"], known["alone"], known["offline"])
    sys.stdout.buffer.write("\0".join(fields).encode())
    sys.stdout.buffer.flush()
