"""Who uses an installed package: what was registered, and what the kernel shows to be running. Removes nothing.

Neither suffices. A process that is about to be started from a package is not there to be seen yet, and a worker
outlives the master that had registered it. A script shows in no map: its path is among the arguments.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from beeyard.adapters.package_store.disk import write
from beeyard.adapters.package_store.layout import Layout
from beeyard.domain.errors import Unavailable
from beeyard.domain.packages import Receipt
from beeyard.launcher.kernel import Identity, alive, processes, stat


class Use(Struct, frozen=True):
    """Of the package with this digest, by a worker or whatever else has a name."""

    digest: str
    owner: str


class Root(Struct, frozen=True):
    """What one process uses. `start`: when it started, for another may get its pid."""

    start: int
    uses: tuple[Use, ...] = ()


def register(roots: Path, use: Use) -> None:
    """We use it. Harmless twice."""
    root = _ours(roots)
    if use not in root.uses:
        _save(roots, Root(root.start, (*root.uses, use)))


def unregister(roots: Path, use: Use) -> None:
    """We no longer do. Harmless twice."""
    root = _ours(roots)
    if use in root.uses:
        _save(roots, Root(root.start, tuple(one for one in root.uses if one != use)))


def dead(roots: Path) -> list[Path]:
    """The files of processes that are no more, and what else is no registration."""
    return [roots / name for name in os.listdir(roots) if not _lives(roots / name, name)]


def users(layout: Layout, receipts: Iterable[Receipt]) -> dict[str, str]:
    """Of those packages that are in use: by digest, who uses it."""
    registered = {
        use.digest: use.owner
        for name in os.listdir(layout.roots)
        if _lives(layout.roots / name, name)
        for use in _load(layout.roots / name).uses
    }
    running = running_from(layout.store)
    found = {}
    for receipt in receipts:
        description = receipt.description
        if owner := registered.get(description.digest):
            found[description.digest] = owner
        elif pid := running.get(f"{description.manifest.name}/{description.folder}"):
            found[description.digest] = f"process {pid}"
    return found


def running_from(store: Path) -> dict[str, int]:
    """NAME/FOLDER of every entry that a process runs from, has mapped, stands in or was given as an argument; its pid.

    Of processes that are not ours to look at nothing is known.
    """
    place = re.compile(re.escape(os.fsencode(store)) + rb"/([^/\s\0]+/[^/\s\0]+)")
    found: dict[str, int] = {}
    for pid in processes():
        for told in _told(pid):
            for match in place.finditer(told):
                found.setdefault(os.fsdecode(match[1]), pid)
    return found


def _told(pid: int) -> Iterable[bytes]:
    for link in ("exe", "cwd", "root"):
        try:
            yield os.readlink(b"/proc/%d/%s" % (pid, link.encode()))
        except OSError:
            continue
    for file in ("maps", "cmdline"):
        try:
            yield Path(f"/proc/{pid}/{file}").read_bytes()
        except OSError:
            continue


def _ours(roots: Path) -> Root:
    seen = stat(os.getpid())
    assert seen is not None
    path = roots / f"{os.getpid()}.json"
    root = _load(path) if path.exists() else None
    return root if root and root.start == seen.start else Root(seen.start)


def _save(roots: Path, root: Root) -> None:
    path = roots / f"{os.getpid()}.json"
    if root.uses:
        write(path, msgspec.json.encode(root))
    else:
        path.unlink(missing_ok=True)


def _lives(path: Path, name: str) -> bool:
    """Whether this is the file of a process that is alive; one that can't be read counts as long as its pid does."""
    pid = name.removesuffix(".json")
    if not pid.isdecimal() or (seen := stat(int(pid))) is None:
        return False
    try:
        return alive(Identity(int(pid), _load(path).start))
    except FileNotFoundError:
        return False
    except Unavailable:
        return seen.state not in "ZX"


def _load(path: Path) -> Root:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Root)
    except msgspec.DecodeError as error:
        raise Unavailable(
            "package_uses_unreadable",
            "{path} does not tell what process {pid} uses: {reason}",
            hint="Nothing is removed meanwhile. Delete the file once that process has ended.",
            path=str(path),
            pid=path.stem,
            reason=str(error),
        ) from None
