"""Bounds as the engine takes them: fields of a container's HostConfig, and the words for what none of them can hold."""

from typing import Any

from beeyard.domain.limits import Hold

NO = "not held: the Docker Engine has no such bound"
BY = {
    "memory": "the container's memory",
    "swap": "the container's memory and swap",
    "cores": "the container's CPU quota",
    "shares": "the container's CPU shares",
    "processes": "the container's number of processes",
    "io_weight": "the container's block IO weight",
    "descriptors": "RLIMIT_NOFILE",
}
"""Field of Hold -> by what the engine keeps it."""
SWAP_ALONE = "not held: the Docker Engine bounds swap only beside memory; end it at `memory.max_rss`"
LEAST_MEMORY = 6 * 1024**2
"""Bytes: the engine refuses less."""
WEIGHTS = (10, 1000)
"""What the engine takes for a block IO weight; ours goes from 1 to 10000."""

CAPABLE = {field: BY.get(field, NO) for field in Hold.__struct_fields__}


def words(hold: Hold) -> dict[str, str]:
    """Field of Hold -> by what it is kept."""
    found = {field: CAPABLE[field] for field in Hold.__struct_fields__ if getattr(hold, field) is not None}
    if "swap" in found and hold.memory is None:
        found["swap"] = SWAP_ALONE
    return found


def bounds(hold: Hold) -> dict[str, Any]:
    """What may also change while it runs; what is not bounded is set to the engine's word for that."""
    memory = hold.memory or 0
    swap = -1 if hold.swap is None or not memory else memory + hold.swap
    return {
        "Memory": memory,
        "MemorySwap": swap if memory else 0,
        "NanoCpus": round(hold.cores * 1e9) if hold.cores else 0,
        "CpuShares": hold.shares or 0,
        "PidsLimit": hold.processes or 0,
        "BlkioWeight": min(max(hold.io_weight, WEIGHTS[0]), WEIGHTS[1]) if hold.io_weight else 0,
    }


def ulimits(hold: Hold) -> list[dict[str, Any]]:
    """What can be said only before it starts."""
    if hold.descriptors is None:
        return []
    return [{"Name": "nofile", "Soft": hold.descriptors, "Hard": hold.descriptors}]
