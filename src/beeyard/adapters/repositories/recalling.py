"""What a repository said when it was reached last, verified anew from what the disk keeps, without a word to anybody.

The same round of the TUF client, served by its own folder: signatures, versions and ends count as they always do. What
it finds is for people to look at; that nothing is installed from it is seen to elsewhere.
"""

from pathlib import Path
from typing import NamedTuple

from beeyard.adapters.repositories import layout
from beeyard.adapters.repositories.index import Index
from beeyard.adapters.repositories.updating import update
from beeyard.domain.errors import BeeyardError

PATIENCE = 1.0
"""Seconds to wait for another process that refreshes: what that brings is asked for again soon enough."""
_STAMP = "timestamp.json"


class Recalled(NamedTuple):
    """`at`: when it was reached last, in wall-clock seconds."""

    roles: dict[str, Index]
    at: float


def reached(folder: Path) -> None:
    """Note that the repository said just now what this folder of metadata holds. Raises OSError."""
    (folder / _STAMP).touch()


def recall(repository: str, root: bytes, folder: Path) -> Recalled | None:
    """None: nothing is kept, or it is not to be believed any more."""

    def read(path: str, most: int) -> bytes | None:
        return stamp.read_bytes() if path == f"{layout.METADATA}/{_STAMP}" else None

    stamp = folder / _STAMP
    try:
        at = stamp.stat().st_mtime
        return Recalled(update(repository, root, folder, read, {}), at)
    except (BeeyardError, OSError):
        return None
