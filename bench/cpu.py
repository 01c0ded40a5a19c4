"""CPU time of everything a peer does, in ns: a control group around it, dead children and helpers included.

Process counters are too coarse (10 ms) and forget children. Without a writable control group (v1 `cpuacct`, or v2)
the living threads' own counters are read instead, and the report says so.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_V1 = (Path("/sys/fs/cgroup/cpuacct"), Path("/sys/fs/cgroup/cpu,cpuacct"))
_V2 = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))
_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@dataclass
class Group:
    """A control group that a peer is started in; `folder` is None where the machine lends none."""

    folder: Path | None
    home: Path | None

    @classmethod
    def made(cls, name: str) -> "Group":
        """A new group below the harness's own."""
        for home in _homes():
            folder = home / name
            with suppress(OSError):
                folder.mkdir()
                return cls(folder, home)
        return cls(None, None)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """What is started inside belongs to the group. The harness steps in and out: about 1 ms of it is counted."""
        if self.folder is None or self.home is None:
            yield
            return
        (self.folder / "cgroup.procs").write_text("0")
        try:
            yield
        finally:
            (self.home / "cgroup.procs").write_text("0")

    def used_ns(self) -> int | None:
        """CPU time of the group so far."""
        if self.folder is None:
            return None
        with suppress(OSError):
            return int((self.folder / "cpuacct.usage").read_text())
        for line in (self.folder / "cpu.stat").read_text().splitlines():
            if line.startswith("usage_usec "):
                return int(line.split()[1]) * 1000
        return None

    def remove(self) -> None:
        """Removes the group; a killed process may hold it for a moment."""
        if self.folder is None:
            return
        for _ in range(100):
            try:
                self.folder.rmdir()
            except FileNotFoundError:
                break
            except OSError:
                time.sleep(0.02)
            else:
                break


def _homes() -> Iterator[Path]:
    """The harness's own group in each hierarchy that counts CPU time; where it isn't visible, the root."""
    ours = dict(line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines())
    own_v1 = next((path for names, path in ours.items() if "cpuacct" in names.split(",")), None)
    for root in _V1:
        if own_v1 is not None and (root / "cpuacct.usage").exists():
            home = root / own_v1.lstrip("/")
            yield home if home.exists() else root
    for root in _V2:
        if (root / "cgroup.controllers").exists():
            home = root / ours.get("", "/").lstrip("/")
            if (home / "cpu.stat").exists():
                yield home


def machine_busy_ns() -> int:
    """CPU time the whole machine has spent on anything but idling; 10 ms is its grain."""
    fields = list(map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]))
    return (sum(fields) - fields[3] - fields[4]) * _TICK_NS


class Others:
    """How many cores the rest of the machine used while a phase ran: the noise it was measured in."""

    def __init__(self, ours_ns: Callable[[], int]) -> None:
        self._ours = ours_ns
        self._began = (time.monotonic_ns(), machine_busy_ns(), ours_ns())

    def cores(self) -> float:
        """Cores used by others since the beginning."""
        began, busy, ours = self._began
        wall = max(time.monotonic_ns() - began, 1)
        return max(0.0, (machine_busy_ns() - busy - (self._ours() - ours)) / wall)


def wait_for_quiet(limit_s: float) -> None:
    """Waits until others use less than half a core, but no longer than the limit."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        others = Others(time.process_time_ns)
        time.sleep(0.2)
        if others.cores() < 0.5:
            return
