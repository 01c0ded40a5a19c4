"""Clears away what is kept of a repository and serves nothing any more. Whoever still wants a file fetches it again.

What rollback protection rests on always stays: the roots that were followed, the last timestamp, and the last snapshot,
which knows the version of every role. Files go one by one, so it may be stopped anywhere; who calls has the lock.
"""

import time
from collections.abc import Collection, Iterator
from pathlib import Path
from urllib.parse import quote

from beeyard.adapters.repositories import layout

UNUSED = 30 * 86400.0
"""Seconds: a description that nobody asked for in so long goes."""
USED = 86400.0
"""Seconds: so often it is noted that one was asked for."""


def sweep(metadata: Path, targets: Path, roles: Collection[str]) -> None:
    """Metadata of other roles than these, what a write left that was killed, and descriptions that nobody uses."""
    kept = {f"{quote(role, '')}.json" for role in (*layout.TOP, *roles)} | {"lock"}
    for file in _files(metadata):
        if file.name not in kept:
            file.unlink(missing_ok=True)
    for file in _files(targets):
        if _age(file) > UNUSED:
            file.unlink(missing_ok=True)


def touch(file: Path) -> None:
    """Note that it was asked for."""
    if _age(file) > USED:
        file.touch()


def _files(folder: Path) -> Iterator[Path]:
    """Not those in folders within it: the roots that were followed lie in one."""
    found = list(folder.iterdir()) if folder.is_dir() else []
    return (file for file in found if file.is_symlink() or file.is_file())


def _age(file: Path) -> float:
    """Seconds since it was written or asked for; 0 where somebody else just took it away."""
    try:
        return time.time() - file.stat().st_mtime
    except FileNotFoundError:
        return 0.0
