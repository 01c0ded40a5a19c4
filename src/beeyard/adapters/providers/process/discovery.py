"""Finds the one process that is meant, among all of this host. Never guesses: several are an error that names them.

A program with children of its own kind (a master process and what it forked) counts as one, by its oldest. A process
is named by pid and start time, so that what is found can be told from whatever gets its pid later.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator

from beeyard.adapters.providers.process.looking import born
from beeyard.adapters.providers.process.unmanaged_section import Discovery
from beeyard.domain.errors import Rejected
from beeyard.launcher import kernel
from beeyard.launcher.kernel import Identity

SLACK = 2.0
"""Seconds that a pid file may seem older than its process: clocks tick, and file times are coarse."""
SHOWN = 80
"""Letters of a command line in an error."""

_LISTENING = {"tcp": b"0A", "udp": b"07"}
"""The state of a socket that waits for others, as /proc/net has it; a bound UDP socket is simply not connected."""


def find(wanted: Discovery) -> Identity:
    """The process.

    Raises:
        Rejected: `process_not_found`, `process_ambiguous`, or `process_hidden` when it may not be seen.
    """
    match wanted.method:
        case "pid-file":
            return _by_pid_file(wanted.pid_file)
        case "process-name":
            return _only(_named(wanted), described(wanted))
        case "port":
            return _only(_listening(wanted), described(wanted))
        case "service-name":
            return _only(_of_service(wanted.service_name), described(wanted))


def described(wanted: Discovery) -> str:
    """What is looked for, in words that fit after `no`."""
    match wanted.method:
        case "pid-file":
            return f"process that {wanted.pid_file} names"
        case "process-name":
            return f"process named {' '.join([wanted.process_name, *wanted.process_args])}"
        case "port":
            return f"process on {wanted.protocol} port {wanted.port}"
        case "service-name":
            return f"process of {_service(wanted.service_name)}"


def command_line(pid: int) -> str:
    """For people; the short name of one that has none."""
    text = b" ".join(_arguments(pid)).decode(errors="replace") or _short_name(pid)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


# --- the four ways --------------------------------------------------------------------------------------------------


def _by_pid_file(path: str) -> Identity:
    """A process younger than the file that names it has got its pid from another one."""
    try:
        with open(path, "rb") as file:
            written = os.fstat(file.fileno()).st_mtime
            pid = int(file.read(64).split()[0])
    except OSError as error:
        raise _missing(f"no pid file {path}: {(error.strerror or '').lower()}") from None
    except (ValueError, IndexError):
        raise _missing(f"no process id in {path}") from None
    seen = kernel.stat(pid) if pid > 0 else None
    if seen is None or seen.state in "ZX":
        raise _missing(f"no process {pid}, which {path} names")
    started = born(seen.start)
    if started > written + SLACK:
        raise _missing(f"process {pid} ({command_line(pid)}) is younger than {path}, which names it: not the one meant")
    return Identity(pid, seen.start)


def _named(wanted: Discovery) -> Iterator[int]:
    """By its short name, its program's or its first argument's; each of `process_args` has to be among its arguments,
    in their order."""
    own = os.getpid()
    name = os.fsencode(wanted.process_name)
    for pid in kernel.processes():
        arguments = _arguments(pid)
        if pid == own or not arguments:
            continue  # One without arguments is the kernel's own, or ended.
        names = {os.path.basename(arguments[0]), os.fsencode(_short_name(pid)), _program(pid)}
        rest = iter(arguments[1:])
        if name in names and all(os.fsencode(argument) in rest for argument in wanted.process_args):
            yield pid


def _listening(wanted: Discovery) -> list[int]:
    sockets = set(_sockets(wanted.port, wanted.protocol))
    holders = [pid for pid in kernel.processes() if sockets and not sockets.isdisjoint(_open_sockets(pid))]
    if sockets and not holders:
        raise Rejected(
            "process_hidden",
            "something has {protocol} port {port}, but its process may not be seen",
            protocol=wanted.protocol,
            port=wanted.port,
            hint="run Beeyard as root, or as that process's user",
        )
    return holders


def _of_service(name: str) -> Iterator[int]:
    """By its cgroup, for systemd gives each service one of its name."""
    service = _service(name).encode()
    for pid in kernel.processes():
        if any(service in line.rpartition(b":")[2].split(b"/") for line in _lines(f"/proc/{pid}/cgroup")):
            yield pid


# --- one of several -------------------------------------------------------------------------------------------------


def _only(pids: Iterable[int], what: str) -> Identity:
    """The one process that is not a child of another one found."""
    found = {pid: seen for pid in pids if (seen := kernel.stat(pid)) and seen.state not in "ZX"}
    first = [pid for pid, seen in found.items() if seen.parent not in found]
    if not first:
        raise _missing(f"no {what}")
    if len(first) > 1:
        first.sort(key=lambda pid: (found[pid].start, pid))
        raise Rejected(
            "process_ambiguous",
            "not one {what} but {count}: {processes}",
            what=what,
            count=len(first),
            processes=", ".join(f"{pid} ({command_line(pid)})" for pid in first),
            hint="say more of the one that is meant",
        )
    return Identity(first[0], found[first[0]].start)


def _missing(text: str) -> Rejected:
    return Rejected("process_not_found", "{text}", text=text)


# --- what /proc says ------------------------------------------------------------------------------------------------


def _sockets(port: int, protocol: str) -> Iterator[bytes]:
    """The inodes of sockets that wait at this port, whatever their address."""
    for table in (protocol, f"{protocol}6"):
        for line in _lines(f"/proc/net/{table}")[1:]:
            fields = line.split()
            if int(fields[1].rpartition(b":")[2], 16) == port and fields[3] == _LISTENING[protocol]:
                yield fields[9]


def _open_sockets(pid: int) -> set[bytes]:
    """Their inodes; none where we may not look."""
    found = set()
    with contextlib.suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                kind, _, inode = os.fsencode(os.readlink(entry.path)).partition(b":[")
                if kind == b"socket":
                    found.add(inode.rstrip(b"]"))
    return found


def _service(name: str) -> str:
    return name if "." in name else f"{name}.service"


def _arguments(pid: int) -> list[bytes]:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        return [argument for argument in file.read().split(b"\0") if argument]
    return []


def _short_name(pid: int) -> str:
    return b"".join(_lines(f"/proc/{pid}/comm")).decode(errors="surrogateescape")


def _program(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return os.path.basename(os.fsencode(os.readlink(f"/proc/{pid}/exe")))
    return b""


def _lines(path: str) -> list[bytes]:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read().splitlines()
    return []
