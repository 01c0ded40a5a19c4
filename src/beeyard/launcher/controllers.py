"""Which file of a cgroup keeps which bound, by whose rules it is written, and how the kernel's answer is told.

Knows both versions of the controllers. Knows no attempt, no process and no folder's place.

What an order to hold may ask for, each a number: `memory`, `memory_high` and `swap` (bytes), `cores`, `shares`,
`processes`, `io_weight`, and `read_bps`, `write_bps`, `read_ops`, `write_ops` (a second, on each disk).
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from beeyard.launcher.cgroup_folder import put

PERIOD = 100_000
"""Microseconds in which a quota of CPU time may be used up once; the kernel's own default."""
LEAST = 1000
"""The smallest quota that the kernel takes."""

REFUSED = "not held: "
"""How the words for a bound begin that nothing keeps."""

BLOCK = "/sys/block"
_NO_DISKS = ("loop", "ram", "zram")

Hold = Mapping[str, float]


class Knob(NamedTuple):
    """A file of a controller: what is written for a bound, what without one; `each`: a line for each disk."""

    controller: str
    file: str
    text: Callable[[float], str]
    free: str
    each: bool = False


def _whole(value: float) -> str:
    return str(int(value))


def _quota(cores: float) -> str:
    return str(max(LEAST, round(cores * PERIOD)))


def _weight(shares: float) -> str:
    """As systemd and runc translate v1's shares (2 to 262144, 1024) into v2's weight (1 to 10000, 100)."""
    return str(round(1 + (shares - 2) * 9999 / 262_142))


def _bfq(weight: float) -> str:
    """v1's weights go from 10 to 1000 only, 100 being usual in both."""
    return str(round(min(max(weight, 10), 1000)))


def _rate(key: str) -> tuple[Callable[[float], str], str]:
    return lambda value: f"{key}={int(value)}", f"{key}=max"


V2 = {
    "memory": (Knob("memory", "memory.max", _whole, "max"),),
    "memory_high": (Knob("memory", "memory.high", _whole, "max"),),
    "swap": (Knob("memory", "memory.swap.max", _whole, "max"),),
    "cores": (Knob("cpu", "cpu.max", lambda cores: f"{_quota(cores)} {PERIOD}", "max"),),
    "shares": (Knob("cpu", "cpu.weight", _weight, "100"),),
    "processes": (Knob("pids", "pids.max", _whole, "max"),),
    "io_weight": (
        Knob("io", "io.weight", _whole, "default 100"),
        Knob("io", "io.bfq.weight", _bfq, "default 100"),
    ),
    "read_bps": (Knob("io", "io.max", *_rate("rbps"), each=True),),
    "write_bps": (Knob("io", "io.max", *_rate("wbps"), each=True),),
    "read_ops": (Knob("io", "io.max", *_rate("riops"), each=True),),
    "write_ops": (Knob("io", "io.max", *_rate("wiops"), each=True),),
}
"""What is asked for -> the files that may keep it, the first that is there."""

V1 = {
    "memory": (Knob("memory", "memory.limit_in_bytes", _whole, "-1"),),
    "swap": (Knob("memory", "memory.memsw.limit_in_bytes", _whole, "-1"),),
    "cores": (Knob("cpu", "cpu.cfs_quota_us", _quota, "-1"),),
    "shares": (Knob("cpu", "cpu.shares", _whole, "1024"),),
    "processes": (Knob("pids", "pids.max", _whole, "max"),),
    "io_weight": (Knob("blkio", "blkio.weight", _bfq, "500"), Knob("blkio", "blkio.bfq.weight", _bfq, "100")),
    "read_bps": (Knob("blkio", "blkio.throttle.read_bps_device", _whole, "0", each=True),),
    "write_bps": (Knob("blkio", "blkio.throttle.write_bps_device", _whole, "0", each=True),),
    "read_ops": (Knob("blkio", "blkio.throttle.read_iops_device", _whole, "0", each=True),),
    "write_ops": (Knob("blkio", "blkio.throttle.write_iops_device", _whole, "0", each=True),),
}
"""The same in version 1. Its memory controller takes nothing back from who is above a mark: no `memory_high`."""

VERSIONS = {"cgroup v2": V2, "cgroup v1": V1}


def controller_of(field: str, version: str) -> str:
    """By which controller of this version a field is kept."""
    knobs = VERSIONS[version].get(field) or V2[field]
    name = knobs[0].controller
    return "blkio" if name == "io" and version == "cgroup v1" else name


def means(version: str, field: str, files: Sequence[str]) -> str:
    """By what a field would be kept in a cgroup with these files."""
    knobs = VERSIONS[version].get(field, ())
    for knob in knobs:
        if knob.file in files:
            disks = f" on {', '.join(_disks().values())}" if knob.each else ""
            direct = ", unbuffered writes only" if version == "cgroup v1" and field.startswith("write_") else ""
            return f"{version} {knob.file}{disks}{direct}"
    missing = knobs[0].file if knobs else V2[field][0].file
    return f"{REFUSED}no {missing} in {version} here"


def write(version: str, folder: str, fields: Sequence[str], hold: Hold) -> dict[str, str]:
    """Have this cgroup keep what of these fields is in `hold`, and nothing of those that are not. Returns the words."""
    files = os.listdir(folder)
    bounds = dict(hold)
    said: dict[str, str] = {}
    if version == "cgroup v1" and "swap" in fields:
        # It bounds memory and swap together, and neither bound may cross the other while they change.
        _put(folder, V1["swap"][0], None, files)
        if "swap" in hold and "memory" not in hold:
            del bounds["swap"]
            said["swap"] = f"{REFUSED}cgroup v1 bounds swap only together with memory, which has no bound of its own"
        elif "swap" in hold:
            bounds["swap"] = hold["swap"] + hold["memory"]
    for field in fields:
        knob = next((knob for knob in VERSIONS[version].get(field, ()) if knob.file in files), None)
        reason = _put(folder, knob, bounds.get(field), files) if knob is not None else None
        if field in bounds:
            said[field] = f"{REFUSED}{version} {reason}" if reason else means(version, field, files)
    return said


def _put(folder: str, knob: Knob, value: float | None, files: Sequence[str]) -> str | None:
    """Write one bound, or lift it. Returns what the kernel had against it."""
    if knob.file not in files:
        return None
    text = knob.free if value is None else knob.text(value)
    for line in [f"{number} {text}" for number in _disks()] if knob.each else [text]:
        try:
            put(f"{folder}/{knob.file}", line)
        except OSError as error:
            return f"{knob.file}: {error.strerror}"
    return None


def _disks() -> dict[str, str]:
    """Number -> name of every disk, none of those that are only memory or a file."""
    found = {}
    for name in sorted(os.listdir(BLOCK)) if os.path.isdir(BLOCK) else ():
        if not name.startswith(_NO_DISKS) and _line(f"{BLOCK}/{name}/size") != "0":
            found[_line(f"{BLOCK}/{name}/dev")] = name
    return found


def _line(path: str) -> str:
    try:
        with open(path) as file:
            return file.readline().strip()
    except OSError:
        return "0"


def oom_kills(folder: str) -> int | None:
    """How many processes of this cgroup the kernel's OOM killer ended; None where there is no memory controller."""
    for name in ("memory.events", "memory.oom_control"):
        try:
            with open(f"{folder}/{name}") as file:
                return next((int(line.split()[1]) for line in file if line.startswith("oom_kill ")), 0)
        except OSError:
            continue
    return None


def oom_kills_of_host() -> int:
    """How many the kernel ended since boot, all cgroups and none."""
    with open("/proc/vmstat") as file:
        return next((int(line.split()[1]) for line in file if line.startswith("oom_kill ")), 0)
