"""What a container uses, from the engine's own answer: of both versions of control groups. Pure.

See "ContainerStats" in the Engine's API. It counts threads where control groups count processes, and tells neither swap
of version 2 nor what no device of the host was asked for.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from beeyard.domain.watching import Measure

NANO = 1e9


def measure(answer: Mapping[str, Any]) -> Measure | None:
    """None when it does not run: then the engine answers with nothing in it."""
    used = answer.get("cpu_stats", {}).get("cpu_usage", {}).get("total_usage")
    memory = answer.get("memory_stats", {}).get("stats")
    if not used or not memory:
        return None
    own = "anon" if "anon" in memory else "total_rss"
    mapped = "file_mapped" if "anon" in memory else "total_mapped_file"
    devices = answer.get("blkio_stats") or {}
    amount = _sums(devices.get("io_service_bytes_recursive"))
    number = _sums(devices.get("io_serviced_recursive"))
    return Measure(
        cpu=used / NANO,
        rss=memory[own] + memory.get(mapped, 0),
        processes=answer.get("pids_stats", {}).get("current", 0),
        swap=memory.get("total_swap"),
        read_bytes=amount.get("read"),
        write_bytes=amount.get("write"),
        read_ops=number.get("read"),
        write_ops=number.get("write"),
    )


def _sums(rows: Iterable[Mapping[str, Any]] | None) -> dict[str, int]:
    """Over all devices, by what was done; nothing where the engine tells nothing."""
    found: dict[str, int] = {}
    for row in rows or ():
        done = str(row["op"]).lower()
        found[done] = found.get(done, 0) + int(row["value"])
    return found
