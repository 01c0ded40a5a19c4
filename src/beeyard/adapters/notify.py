"""One datagram socket on which all workers speak sd_notify(3). Knows whose a process is, not what its word means.

Whose word it is, the kernel says: the sender's cgroup, which no process can leave by itself; of a container, that which
its engine made for it, whatever the container calls its processes. Where workers have no cgroup of their own, its mark
counts, from a process of the same user. A word may come before anybody asked to hear it,
for a quick program speaks before its launch was saved: the last few are kept for whoever asks next.

A sender that ended before its word was read belongs to nobody. systemd-notify waits for that: it passes a descriptor
(BARRIER=1), which we close with all others that come along.
"""

import array
import asyncio
import contextlib
import os
import re
import socket
import struct
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from beeyard.domain.errors import Unavailable
from beeyard.launcher import kernel
from beeyard.launcher.paths import Paths
from beeyard.ports.notify import Word
from beeyard.sdk.notify import REPORT
from beeyard.sdk.report import Report

LARGEST = 32_768
"""Bytes of a datagram; a larger one is nobody's status, and no module's report."""
AT_ONCE = 64
"""Datagrams read before the loop gets on with other work."""
EARLY, EARLY_EACH = 1024, 16
"""Attempts not heard yet whose words are kept, and how many of each."""
LONGEST = 200
"""Characters of a status."""
A_DAY = 86400.0
MARK = b"BEEYARD_MARK"
SHARED = "notify"
"""The socket's name in the folder for containers."""
_CONTAINER = re.compile(r"(/[^/]+)*/[^/]*[0-9a-f]{64}[^/]*(?=/|$)")
"""A cgroup whose name has the id of a container, as all engines name them."""
_CREDENTIALS = struct.Struct("3i")
_ANCILLARY = socket.CMSG_SPACE(_CREDENTIALS.size) + socket.CMSG_SPACE(16 * array.array("i").itemsize)

Heard = Callable[[Word], None]


class NotifySocket:
    """Implements ports.notify.Notices."""

    def __init__(self, paths: Paths) -> None:
        self._path = paths.notify_socket
        self._folder = paths.notify_folder
        self._here = _container(os.getpid())
        self._home = f"/beeyard-{paths.identity}/"
        self._mark = f"{paths.identity}/"
        self._ears: dict[str, tuple[int, Heard]] = {}
        self._early: OrderedDict[str, deque[tuple[int, Word]]] = OrderedDict()
        self._socket: socket.socket | None = None

    @classmethod
    def open(cls, paths: Paths) -> "NotifySocket":
        """Listen, in place of an earlier master. Raises Unavailable where that is not possible."""
        made = cls(paths)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            os.makedirs(os.path.dirname(made._path), exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(made._path)
            listening.bind(made._path)
            os.chmod(made._path, 0o666)  # A worker may be another user's; who speaks is looked at, word by word.
            made._share()
        except OSError as error:
            listening.close()
            text = "workers can't be heard at {path}: {reason}"
            raise Unavailable("notify_unbound", text, path=made._path, reason=error.strerror) from None
        made._socket = listening
        asyncio.get_running_loop().add_reader(listening.fileno(), made._read)
        return made

    def _share(self) -> None:
        """Have the socket in a folder of its own as well, which containers see: there the next master's will be."""
        os.makedirs(self._folder, mode=0o755, exist_ok=True)
        os.chmod(self._folder, 0o755)
        link = os.path.join(self._folder, SHARED)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(link)
        os.link(self._path, link)

    def hear(self, worker: str, attempt: int, pid: int | None, heard: Heard) -> Callable[[], None]:
        ends = [self._attend(_named(worker, attempt), 0, heard)]
        with contextlib.suppress(OSError):  # It has ended, and that will be heard otherwise.
            if pid is not None and (key := self._key(pid)) is not None:
                ends.append(self._attend(key, os.stat(f"/proc/{pid}").st_uid, heard))

        def end() -> None:
            for one in ends:
                one()

        return end

    def say(self, worker: str, attempt: int, word: Word) -> None:
        self._take(_named(worker, attempt), 0, word)

    def spoken(self, worker: str, attempt: int, text: str) -> None:
        self.say(worker, attempt, understood(text.encode()))

    def _attend(self, key: str, user: int, heard: Heard) -> Callable[[], None]:
        self._ears[key] = (user, heard)
        for sender, word in self._early.pop(key, ()):
            self._tell(key, sender, word)
        return lambda: self._forget(key, heard)

    async def close(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
            for path in (self._path, os.path.join(self._folder, SHARED)):  # The folder stays: containers have it.
                with contextlib.suppress(OSError):
                    os.unlink(path)

    def _forget(self, key: str, heard: Heard) -> None:
        if key in self._ears and self._ears[key][1] is heard:
            del self._ears[key]

    def _read(self) -> None:
        assert self._socket is not None
        for _ in range(AT_ONCE):
            try:
                data, extra, flags, _ = self._socket.recvmsg(LARGEST, _ANCILLARY, socket.MSG_CMSG_CLOEXEC)
            except OSError:
                return
            sender = _opened(extra)
            if sender is not None and not flags & socket.MSG_TRUNC and (key := self._key(sender[0])) is not None:
                self._take(key, sender[1], understood(data))

    def _take(self, key: str, user: int, word: Word) -> None:
        if key in self._ears:
            self._tell(key, user, word)
            return
        self._early.setdefault(key, deque(maxlen=EARLY_EACH)).append((user, word))
        if len(self._early) > EARLY:
            self._early.popitem(last=False)

    def _tell(self, key: str, user: int, word: Word) -> None:
        own, heard = self._ears[key]
        if key.startswith("/") or user in (own, 0):
            heard(word)

    def _key(self, pid: int) -> str | None:
        """Which attempt a process belongs to: its cgroup, else its mark; None if it is none of ours, or gone."""
        try:
            with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
                place = next((line[3:].rstrip("\n") for line in file if line.startswith("0::")), "")
        except OSError:
            return None
        above, home, name = place.rpartition(self._home) if place.count(self._home) == 1 else ("", "", "")
        if home:
            return f"{above}{home}{name.partition('/')[0]}"  # The worker may have made cgroups of its own below.
        if (container := _container(pid)) and container != self._here:
            return container
        mark = kernel.environment(pid).get(MARK, b"").decode("utf-8", "replace")
        return mark if mark.startswith(self._mark) else None


def _named(worker: str, attempt: int) -> str:
    """The key of an attempt whose words come another way: like no cgroup's, and like no mark's."""
    return f"named {worker}/{attempt}"


def _container(pid: int) -> str:
    """The cgroup of the container that a process is in, the innermost one; empty: in none."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return ""
    places = (_CONTAINER.match(line.split(":", 2)[2]) for line in reversed(lines))  # That of version 2 comes last.
    return next((place[0] for place in places if place), "")


def _opened(extra: Iterable[tuple[int, int, bytes]]) -> tuple[int, int] | None:
    """The sender's pid and user, as the kernel tells them. Descriptors that came along are closed."""
    sender = None
    for level, kind, data in extra:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            for fd in array.array("i", data[: len(data) // 4 * 4]):
                os.close(fd)
        elif level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            pid, user, _ = _CREDENTIALS.unpack(data[: _CREDENTIALS.size])
            sender = (pid, user) if pid > 0 else None  # 0: of a pid namespace that we can't see.
    return sender


def understood(data: bytes) -> Word:
    """The assignments of one datagram, one a line; what nobody knows is left out, as the protocol wants it."""
    said = dict(line.partition("=")[::2] for line in data.decode("utf-8", "replace").split("\n"))
    word: dict[str, Any] = {
        "ready": said.get("READY") == "1",
        "reloading": said.get("RELOADING") == "1",
        "stopping": said.get("STOPPING") == "1",
        "watchdog": {"1": "alive", "trigger": "trigger"}.get(said.get("WATCHDOG", ""), ""),
    }
    if re.fullmatch("[0-9]{1,20}", extend := said.get("EXTEND_TIMEOUT_USEC", ""), re.ASCII):
        word["extend"] = min(int(extend) / 1e6, A_DAY)
    errno = said.get("ERRNO", "")
    reason = os.strerror(int(errno)) if re.fullmatch("[0-9]{1,5}", errno, re.ASCII) and int(errno) else ""
    if "STATUS" in said or reason:
        status = "".join(letter if letter.isprintable() else " " for letter in said.get("STATUS", ""))[:LONGEST]
        word["status"] = f"{status} ({reason})" if status and reason else status or reason
    if REPORT in said:
        with contextlib.suppress(msgspec.MsgspecError):
            word["report"] = msgspec.json.decode(said[REPORT], type=Report)
    return Word(**word)
