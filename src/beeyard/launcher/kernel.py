"""What this Linux kernel tells of processes, with the standard library alone.

A pid by itself names nothing for long. A process is named by its boot, its pid namespace, its pid and its start time;
`Identity` holds the last two, and every look compares the start time.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import signal
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

PR_SET_CHILD_SUBREAPER = 36
PIDFD_GET_INFO = 0xC040FF0B
"""ioctl on a pidfd, Linux 6.13; with PIDFD_INFO_EXIT (6.15) it tells how a process ended that was not our child."""
PIDFD_INFO_EXIT = 1 << 3
CLONE_INTO_CGROUP = 1 << 33
_CLONE3, _PIDFD_GETFD = 435, 438
"""The same numbers on every architecture."""
PIDFD_SIGNAL_PROCESS_GROUP = 1 << 2
PF_KTHREAD = 0x00200000
EXECVE_PAUSES = tuple(0.0002 * 2**number for number in range(12))
"""Seconds after which a process that is about to run another program is looked at again: most need only the first, and
one that gets no CPU meanwhile has 0.8 s in all."""
_INFO_SIZE = 64
_EXIT_OFFSET = 60


_SYSCALL = ctypes.PyDLL(None, use_errno=True).syscall
_SYSCALL.restype = ctypes.c_long


class Identity(NamedTuple):
    """A process on this host in this boot. `start` is field 22 of /proc/PID/stat, in clock ticks since boot."""

    pid: int
    start: int


class Stat(NamedTuple):
    """The few fields of /proc/PID/stat that matter here. `exit_status` counts only while `state` is Z."""

    state: str
    parent: int
    group: int
    session: int
    start: int
    exit_status: int


def become_subreaper() -> None:
    """Orphans of our descendants become our children, so that their ends are seen."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def fork_into(cgroup: int | None) -> int:
    """Fork; the child begins its life in the cgroup whose folder this descriptor is. Only for a process of one thread.

    Moving a process into a cgroup waits for an RCU grace period, 10 ms where nothing moved just before; being born in
    one costs nothing. OSError where the kernel (before 5.7) or a filter does not allow it.
    """
    if cgroup is None:
        return os.fork()
    arguments = ctypes.create_string_buffer(
        struct.pack("<11Q", CLONE_INTO_CGROUP, 0, 0, 0, signal.SIGCHLD, *[0] * 5, cgroup)
    )
    # PyDLL keeps the interpreter's lock over the call: the child, a copy of this thread, goes on holding it.
    pid = _SYSCALL(_CLONE3, arguments, ctypes.c_size_t(len(arguments) - 1))
    if pid < 0:
        raise OSError(ctypes.get_errno(), "clone3")
    return int(pid)


def stat(pid: int) -> Stat | None:
    """None when there is no such process."""
    fields = _fields(pid)
    if fields is None:
        return None
    return Stat(
        fields[0].decode(), int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]), int(fields[49] or 0)
    )


def _fields(pid: int) -> list[bytes] | None:
    """/proc/PID/stat from the state on, which proc(5) calls field 3."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError:
        return None
    try:
        text = os.read(fd, 1024)
    except OSError:
        return None
    finally:
        os.close(fd)
    # The name in parentheses may hold anything, blanks and parentheses included: fields begin after the last one.
    return text[text.rindex(b")") + 2 :].split()


def alive(identity: Identity) -> bool:
    """Whether this very process exists and is no zombie."""
    seen = stat(identity.pid)
    return seen is not None and seen.start == identity.start and seen.state not in "ZX"


def open_process(identity: Identity) -> int | None:
    """A pidfd of this very process, zombies included; None when it is gone. The start time is compared afterwards."""
    try:
        fd = os.pidfd_open(identity.pid)
    except OSError:
        return None
    seen = stat(identity.pid)
    if seen is None or seen.start != identity.start:
        os.close(fd)
        return None
    return fd


def listening(pid: int) -> Iterator[tuple[int, socket.socket]]:
    """Duplicates of the sockets at which a process listens, by its own numbers; none where we may not have them.

    They are the caller's to close.

    To have another's descriptors takes what it takes to trace it (pidfd_getfd(2)): root, or the same user where the
    kernel lets those (kernel.yama.ptrace_scope).
    """
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                if not os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
                    continue
                fd = int(_SYSCALL(_PIDFD_GETFD, pidfd, int(name), 0))
                if fd < 0:
                    return
                sock = socket.socket(fileno=fd)
                if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    yield int(name), sock
                else:
                    sock.close()
    except OSError:
        return
    finally:
        os.close(pidfd)


def signal_group(fd: int, identity: Identity, signo: int) -> None:
    """Signal a process that is not our child, and the group if it leads one. OSError when it is gone."""
    seen = stat(identity.pid)
    if seen is None or seen.group != identity.pid:
        signal.pidfd_send_signal(fd, signo)
        return
    try:
        signal.pidfd_send_signal(fd, signo, None, PIDFD_SIGNAL_PROCESS_GROUP)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        if alive(identity):  # Before Linux 6.9 there is no other way than by number.
            os.killpg(identity.pid, signo)


def exit_status(fd: int, pid: int) -> int | None:
    """The wait status of a process that is not our child: from its pidfd, or from /proc while it is a zombie."""
    buffer = bytearray(struct.pack("<Q", PIDFD_INFO_EXIT).ljust(_INFO_SIZE, b"\0"))
    try:
        fcntl.ioctl(fd, PIDFD_GET_INFO, buffer)
    except OSError:
        pass  # A kernel before 6.15, or the process is gone and was reaped before the pidfd was opened.
    else:
        (mask,) = struct.unpack_from("<Q", buffer)
        if mask & PIDFD_INFO_EXIT:
            (status,) = struct.unpack_from("<i", buffer, _EXIT_OFFSET)
            return int(status)
    seen = stat(pid)
    return seen.exit_status if seen is not None and seen.state == "Z" else None


def ending(status: int | None) -> dict[str, Any]:
    """A wait status as the protocol tells it: `code`, or `signal` and `core`; nothing when it is unknown."""
    if status is None:
        return {"note": "nobody was left who could tell"}
    if os.WIFSIGNALED(status):
        return {"signal": os.WTERMSIG(status), "core": os.WCOREDUMP(status)}
    return {"code": os.WEXITSTATUS(status)}


def processes() -> Iterator[int]:
    """All pids at this moment."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            yield int(name)


def environment(pid: int) -> dict[bytes, bytes]:
    """The environment a process was started with; empty when it may not be read or was overwritten.

    For some microseconds within execve(2) a process has none at all: who looks just then has to look again.
    """
    looks = 0
    for pause in (*EXECVE_PAUSES, 0.0):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                data = file.read()
        except OSError:
            return {}
        if data or (fields := _fields(pid)) is None or _can_have_none(fields):
            break
        # The kernel writes down where it begins a moment before where it ends: an empty one is believed at the second
        # look.
        looks += int(fields[47]) == int(fields[48]) != 0
        if looks == 2:
            break
        time.sleep(pause)
    return dict(item.split(b"=", 1) for item in data.split(b"\0") if b"=" in item)


def _can_have_none(fields: list[bytes]) -> bool:
    """Whether it ended, or is the kernel's own."""
    return fields[0] in (b"Z", b"X") or bool(int(fields[6]) & PF_KTHREAD)


def children(pid: int) -> list[int]:
    """Direct children, from the kernel's own list."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            return [int(item) for item in file.read().split()]
    except OSError:
        return []


def boot_id() -> str:
    """Another value after every boot."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def pid_namespace() -> int:
    """A pid means the same only inside one of these."""
    return os.stat("/proc/self/ns/pid").st_ino
