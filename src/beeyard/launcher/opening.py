"""How a listening socket comes to be: opened anew, or taken back out of a process that was given it.

A wish is what a message says of one: `owner`, `name`, and `host` and `port` (with `any`, another port will do) or
`path`, `mode`, `user` and `group`. The host is an address: to look up names would keep everybody waiting. `asked`: who
connects speaks first. `led`: others of its owner listen at the same port, and connections are led to those that are
ready. Knows nothing of who holds what.
"""

import errno
import os
import socket
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from beeyard.launcher import kernel
from beeyard.launcher.refusals import SpawnFailed, code_of
from beeyard.launcher.spawn import FIRST

Wish = Mapping[str, Any]

BACKLOG = 4096
"""Connections that wait for an attempt to take them; the kernel's net.core.somaxconn bounds it too."""


def opened(wish: Wish, *, alone: bool | None = None) -> socket.socket:
    """A new one. Raises SpawnFailed.

    `alone`: others are to listen at the same port, and whether this is the first of them.
    """
    try:
        return _bound(wish, alone)
    except OSError as error:
        raise SpawnFailed(f"listen at {place(wish)}: {error.strerror or error}", code_of(error)) from None


def place(wish: Wish) -> str:
    """Where it listens, in words."""
    return str(wish.get("path") or f"{wish['host']} port {wish['port']}")


def shared(wish: Wish, heirs: Iterable[int]) -> bool:
    """Whether one of these processes listens at that very address, with a socket that lets others in."""
    there = False
    for pid in heirs:
        for _, sock in kernel.listening(pid):
            there = there or (_is_at(sock, _address(wish)) and _lets_in(sock))
            sock.close()
    return there


def _is_at(sock: socket.socket, address: tuple[int, Any]) -> bool:
    return (sock.family, sock.getsockname()) == address


def _lets_in(sock: socket.socket) -> bool:
    return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT))


def inherited(wish: Wish, heirs: Iterable[int]) -> socket.socket | None:
    """The one that a process was given when it was started: nobody else has it any more."""
    for pid in heirs:
        given = kernel.environment(pid).get(b"LISTEN_FDNAMES", b"").decode().split(":")
        if wish["name"] not in given:
            continue
        found = dict(kernel.listening(pid))
        number = _of(wish, found, FIRST + given.index(wish["name"]))
        for other, sock in found.items():
            if other != number:
                sock.close()
        if number is not None:
            return found[number]
    return None


def _of(wish: Wish, found: Mapping[int, socket.socket], given: int) -> int | None:
    """Which of these it is: by its address, else, where another port will do, that under the number it was given."""
    family, address = _address(wish)
    names = {number: sock.getsockname() for number, sock in found.items() if sock.family == family}
    exact = (number for number, name in names.items() if name == address)
    another = wish.get("any") and given in names and names[given][0] == address[0]
    return next(exact, given if another else None)


def _address(wish: Wish) -> tuple[int, Any]:
    if path := wish.get("path"):
        return socket.AF_UNIX, path
    flags = socket.AI_NUMERICHOST | socket.AI_PASSIVE
    try:
        rows = socket.getaddrinfo(wish["host"], wish["port"], type=socket.SOCK_STREAM, flags=flags)
    except OSError as error:
        raise SpawnFailed(f"listen at {place(wish)}: {error.strerror or error}", code_of(error)) from None
    return rows[0][0], rows[0][4]


def _bound(wish: Wish, alone: bool | None) -> socket.socket:
    family, address = _address(wish)
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_UNIX:
            _bind_path(sock, wish)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if alone is False:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            try:
                sock.bind(address)
            except OSError as error:
                if error.errno != errno.EADDRINUSE or not wish.get("any"):
                    raise
                sock.bind((address[0], 0, *address[2:]))
        if alone:  # Only now, for it must not come to share the port of a stranger.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def _bind_path(sock: socket.socket, wish: Wish) -> None:
    """In a place where a dead one's may lie: nobody answers there.

    Who may write in that folder can put something else into its place at any moment, so no name is followed after it.
    """
    path = wish["path"]
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.lstat(path).st_mode) and not _answers(path):
            os.unlink(path)
    os.fchmod(sock.fileno(), wish["mode"])  # The file is made with it.
    before = os.umask(0)
    try:
        sock.bind(path)
    finally:
        os.umask(before)
    if wish.get("user") is not None or wish.get("group") is not None:
        _give(path, wish.get("user", -1), wish.get("group", -1))


def _give(path: str, user: int, group: int) -> None:
    """The file is theirs, if it is a socket of ours."""
    fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(fd)
        if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.geteuid():
            raise OSError(errno.EEXIST, "something else was put into its place")
        os.chown(f"/proc/self/fd/{fd}", user, group)
    finally:
        os.close(fd)


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        try:
            client.connect(path)
        except ConnectionRefusedError:
            return False
        except OSError:
            pass
        return True
