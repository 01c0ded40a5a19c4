"""What a container uses, from its control groups where they can be read here: of both versions, in a millisecond.

The engine tells the same, but looks twice, a second apart, at one container at a time. Where it runs elsewhere there
is nothing to read, and who asks has to ask the engine.
"""

from functools import cache
from pathlib import Path

from beeyard.domain.watching import Measure

NANO, MICRO = 1e9, 1e6


def find(pid: int, container: str) -> dict[str, Path]:
    """Controller -> folder, of the groups of this process that are this container's; "" stands for version 2."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        mounts = _mounts()
    except OSError:
        return {}
    found: dict[str, Path] = {}
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if container not in path:
            continue
        whole = path[: path.index(container) + len(container)] + path.partition(container)[2].partition("/")[0]
        for controller in controllers.split(","):
            if controller in mounts:
                root, mount = mounts[controller]
                found[controller] = Path(mount + whole.removeprefix(root.rstrip("/")))
    return {controller: folder for controller, folder in found.items() if folder.is_dir()}


def measure(folders: dict[str, Path]) -> Measure | None:
    """None when it is gone, or what matters can't be read."""
    try:
        return _unified(folders[""]) if "" in folders and len(folders) == 1 else _several(folders)
    except (OSError, KeyError, ValueError):
        return None


def _several(folders: dict[str, Path]) -> Measure:
    memory = _table(folders["memory"] / "memory.stat")
    io = folders.get("blkio")
    amount = _operations(io / "blkio.throttle.io_service_bytes") if io else {}
    number = _operations(io / "blkio.throttle.io_serviced") if io else {}
    return Measure(
        cpu=int((folders["cpuacct"] / "cpuacct.usage").read_text()) / NANO,
        rss=memory["total_rss"] + memory.get("total_mapped_file", 0),
        processes=_members(folders["memory"]),
        swap=memory.get("total_swap"),
        read_bytes=amount.get("Read"),
        write_bytes=amount.get("Write"),
        read_ops=number.get("Read"),
        write_ops=number.get("Write"),
    )


def _unified(folder: Path) -> Measure:
    memory = _table(folder / "memory.stat")
    swap = folder / "memory.swap.current"
    devices = (folder / "io.stat").read_text().split() if (folder / "io.stat").exists() else []
    io = {key: sum(int(word.partition("=")[2]) for word in devices if word.startswith(f"{key}=")) for key in _IO}
    return Measure(
        cpu=_table(folder / "cpu.stat")["usage_usec"] / MICRO,
        rss=memory["anon"] + memory.get("file_mapped", 0),
        processes=_members(folder),
        swap=int(swap.read_text()) if swap.exists() else None,
        read_bytes=io["rbytes"],
        write_bytes=io["wbytes"],
        read_ops=io["rios"],
        write_ops=io["wios"],
    )


_IO = ("rbytes", "wbytes", "rios", "wios")


def _members(folder: Path) -> int:
    """Processes in it and below."""
    count = sum(len(file.read_bytes().split()) for file in folder.rglob("cgroup.procs"))
    if not count:
        raise ValueError("it is empty")
    return count


def _table(path: Path) -> dict[str, int]:
    rows = (line.split() for line in path.read_text().splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}


def _operations(path: Path) -> dict[str, int]:
    """Sums over all devices: lines such as `8:0 Read 4096`."""
    found = {"Read": 0, "Write": 0}
    for line in path.read_text().splitlines():
        words = line.split()
        if len(words) == 3 and words[1] in found:
            found[words[1]] += int(words[2])
    return found


@cache
def _mounts() -> dict[str, tuple[str, str]]:
    """Controller -> the root of its mount, and where that is."""
    found: dict[str, tuple[str, str]] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split(" ")
        kind = fields[fields.index("-") + 1]
        if kind == "cgroup2":
            found.setdefault("", (fields[3], fields[4]))
        elif kind == "cgroup":
            for option in fields[-1].split(","):
                found.setdefault(option, (fields[3], fields[4]))
    return found
