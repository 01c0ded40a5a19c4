"""Facts about this Linux machine, and the small files that other programs look for. Knows no worker and no provider.

In the pid folder, while a worker runs:

    WORKER.pid     the process id, and a newline
    WORKER.port    one endpoint: its port, and a newline. Several: a line `NAME PORT` for each, in the spec's order.

A reader sees the old file or the new one, never half of one; when the worker has ended, neither is there.
"""

import contextlib
import errno
import logging
import os
import platform as python_platform
import random
import re
import resource
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from beeyard.domain.errors import Unavailable
from beeyard.domain.pressure import Pressure
from beeyard.launcher.paths import Paths
from beeyard.ports.host import Facts

MEMORY = Path("/proc/meminfo")
OWN = Path("/proc/self/statm")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
PRESSURE = Path("/proc/pressure")
"""One file for each resource, since Linux 4.20; not there in a kernel built or started without (`psi=0`)."""
FRESH = 1.0
"""Seconds for which a look at the pressure is good: the kernel makes its means anew every two."""
LOWEST_PORT = 20000
"""Below lie the ports that programs have by habit; from `ip_local_port_range` on, those of outgoing connections."""
LATELY = 60.0
"""Seconds that a port given out is not given again: its worker may not listen yet."""

_log = logging.getLogger(__name__)


class LinuxHost:
    """This machine. `monotonic` tells how long ago a port was given out, and the pressure looked at.

    `pressure` is the folder where that stands; None: nobody wants to know.
    """

    def __init__(
        self, paths: Paths, monotonic: Callable[[], float] = time.monotonic, pressure: Path | None = PRESSURE
    ) -> None:
        self._folder = paths.pids
        self._there: set[str] | None = None
        self._files = pressure
        self._monotonic = monotonic
        self._given: dict[int, float] = {}
        self._pressure = Pressure()
        self._looked = -FRESH

    def boot_id(self) -> str:
        """The kernel's random id of this boot."""
        return BOOT_ID.read_text("ascii").strip()

    def name(self) -> str:
        """The host name, as the kernel has it."""
        return socket.gethostname()

    def pressure(self) -> Pressure:
        """The kernel's own means over ten seconds."""
        now = self._monotonic()
        if self._files is not None and now - self._looked >= FRESH:
            cpu, memory, io = (_shares(self._files / name) for name in ("cpu", "memory", "io"))
            self._pressure = Pressure(
                cpu=cpu.get("some"),
                memory=memory.get("some"),
                memory_full=memory.get("full"),
                io=io.get("some"),
                io_full=io.get("full"),
            )
            self._looked = now
        return self._pressure

    def facts(self) -> Facts:
        """Python by the one that PATH finds, for that is what a script of a package would get."""
        return Facts(platform(), {"kernel": os.uname().release, "glibc": _glibc(), "python3": _python()})

    def free_memory(self) -> int | None:
        """As the kernel estimates it."""
        try:
            found = re.search(r"^MemAvailable:\s+(\d+) kB", MEMORY.read_text("ascii"), re.MULTILINE)
        except OSError:
            return None
        return int(found[1]) * 1024 if found else None

    def own_memory(self) -> int | None:
        try:
            return int(OWN.read_text("ascii").split()[1]) * resource.getpagesize()
        except (OSError, IndexError, ValueError):
            return None

    def free_port(self, preferred: int) -> int:
        """A TCP port nobody listens on.

        `preferred` needs only to be free now, for a worker that restarts wants its old port, old connections in
        TIME_WAIT or not. Any other was not given out lately, and is free even for a server without SO_REUSEADDR.

        Raises:
            Unavailable: `no_free_port`.
        """
        now = self._monotonic()
        self._given = {port: at for port, at in self._given.items() if now - at < LATELY}
        if preferred and _is_free(preferred, reuse=True):
            self._given[preferred] = now
            return preferred
        ports = _choice()
        start = random.randrange(len(ports))
        for step in range(len(ports)):
            port = ports[(start + step) % len(ports)]
            if port not in self._given and _is_free(port, reuse=False):
                self._given[port] = now
                return port
        raise Unavailable("no_free_port", "no free TCP port between {first} and {last}", first=ports[0], last=ports[-1])

    def publish(self, worker: str, pid: int | None, ports: dict[str, int]) -> None:
        """Write both files, or remove them when `pid` is None. A disk that refuses is logged: nobody's worker fails."""
        port_lines = [f"{name} {port}\n" for name, port in ports.items()]
        if len(ports) == 1:
            port_lines = [f"{port}\n" for port in ports.values()]
        try:
            self._put(f"{worker}.pid", None if pid is None else f"{pid}\n")
            self._put(f"{worker}.port", None if pid is None or not ports else "".join(port_lines))
        except OSError as error:
            _log.warning("the pid and port files of %s are out of date: %s", worker, error)

    def _published(self) -> set[str]:
        """The files that are there, an earlier master's among them: most of those that have to go never were."""
        if self._there is None:
            self._there = set(os.listdir(self._folder)) if os.path.isdir(self._folder) else set()
        return self._there

    def _put(self, name: str, text: str | None) -> None:
        """Whole or not at all for whoever reads. Not synced: what it says is wrong anyway after a power cut."""
        path = f"{self._folder}/{name}"
        if text is None:
            if name in self._published():
                self._published().discard(name)
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
            return
        self._published().add(name)
        half = f"{self._folder}/.{name}.new"
        file = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            os.write(file, text.encode("ascii"))
        finally:
            os.close(file)
        os.rename(half, path)


def _shares(file: Path) -> dict[str, float]:
    """`some avg10=1.50 avg60=…` as {"some": 0.015}, with `full` where there is one; empty where nothing is told."""
    try:
        text = file.read_text("ascii")
        rows = [line.split() for line in text.splitlines()]
        return {row[0]: float(row[1].removeprefix("avg10=")) / 100 for row in rows}
    except (OSError, ValueError, IndexError):
        return {}


def _choice() -> range:
    """Ports that outgoing connections don't take, unless those take nearly all: then from LOWEST_PORT up."""
    first_outgoing = int(PORT_RANGE.read_text("ascii").split()[0])
    return range(LOWEST_PORT, first_outgoing if first_outgoing > LOWEST_PORT + 1000 else 65536)


def _is_free(port: int, *, reuse: bool) -> bool:
    """Whether we could listen on all addresses, IPv6 and IPv4; a low port we may not bind counts as free.

    With `reuse`, only who listens is in the way, not what is left of closed connections.
    """
    dual = socket.has_dualstack_ipv6()
    with socket.socket(socket.AF_INET6 if dual else socket.AF_INET) as probe:
        if dual:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        try:
            probe.bind(("", port))
        except OSError as error:
            return error.errno == errno.EACCES
        return True


def platform() -> str:
    """`linux-x86_64`: as packages name it."""
    return f"{os.uname().sysname}-{os.uname().machine}".lower()


def _glibc() -> str:
    name, found = python_platform.libc_ver()
    return found if name == "glibc" else ""


def _python() -> str:
    """The version of `python3`; empty if there is none."""
    program = shutil.which("python3")
    if program is None:
        return ""
    asked = [program, "-I", "-S", "-c", "import platform; print(platform.python_version())"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
