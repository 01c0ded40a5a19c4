"""Whether a package has room here. Reads, and writes nothing."""

import os
from collections.abc import Callable

from beeyard.adapters.package_store.layout import Layout
from beeyard.adapters.package_store.refusals import no_inodes, no_room
from beeyard.domain.packages import Description

SPARE = 20
"""One part in so many is asked for on top: 5 %, for what filesystems keep for themselves."""


def check_room(layout: Layout, description: Description, reclaimable: Callable[[], int]) -> None:
    """Room for all its files, each in whole blocks, and for `min_disk` besides.

    Raises:
        Rejected: `package_no_room` or `package_no_inodes`, with the numbers.
    """
    disk = os.statvfs(layout.staging)
    folders = {path[:cut] for path in (one.path for one in description.files) for cut in _cuts(path)}
    blocks = sum(-(-entry.size // disk.f_frsize) for entry in description.files) + len(folders) + 1
    unpacked = blocks * disk.f_frsize
    need = unpacked + -(-unpacked // SPARE) + int(description.manifest.min_disk)
    free = disk.f_bavail * disk.f_frsize
    if need > free:
        raise no_room(description, need, free, reclaimable())
    names = len(description.files) + len(folders) + 1
    if disk.f_files and names > disk.f_favail:  # 0 of 0: a filesystem that makes them as it goes
        raise no_inodes(description, names, disk.f_favail)


def _cuts(path: str) -> list[int]:
    return [cut for cut, letter in enumerate(path) if letter == "/"]
