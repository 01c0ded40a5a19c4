"""Where a package is made: the folder itself, or a copy of it in which the command of `build:` has run.

That command is somebody's program: it gets a copy, a home of its own, none of our variables, no network unless both the
package file and who makes the package say so, and limits on all it takes.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from beeyard.adapters.archives.collect import Collected, collect
from beeyard.adapters.confined.command import Held, Limits, run
from beeyard.adapters.papers.moment import NAME as EPOCH
from beeyard.adapters.papers.moment import epoch
from beeyard.domain.errors import Refused, Unavailable
from beeyard.domain.packages import FileEntry
from beeyard.entrypoints.settings.package_file import Build

WORK, HOME = "work", "home"


class Place(Struct, frozen=True):
    """`folder` is packed. Where a command ran: the `source` it had, by a digest of its files and by their paths, and
    what `held` it."""

    folder: str
    source: str = ""
    files: frozenset[str] = frozenset()
    held: Held | None = None


@contextmanager
def workplace(folder: str, output: str, build: Build | None, *, allow_network: bool) -> Iterator[Place]:
    """For one package.

    Raises:
        Refused: `network_asked`, the package file wants a network and nobody allowed it; `command_unheld`.
        NotFound: `command_missing`.
        Rejected: `command_failed`.
        Unavailable: `output_unwritable`, there is no room for a copy.
    """
    if build is None:
        yield Place(folder)
        return
    if build.network and not allow_network:
        text = "`{command}` of {folder} wants to reach the network"
        hint = "what it fetches nobody has verified; if it may: --allow-network"
        raise Refused("network_asked", text, hint=hint, command=" ".join(build.command), folder=folder)
    inner = os.path.relpath(os.path.realpath(output), os.path.realpath(folder))
    found = collect(folder, lambda path: path.rstrip("/") == inner)
    with tempfile.TemporaryDirectory(prefix="beeyard-build-") as made:
        room = Path(made)
        try:
            _copy(Path(folder), found, room / WORK)
            (room / HOME).mkdir()
        except OSError as error:
            text, file = "{file} can't be written: {reason}", str(error.filename or room)
            raise Unavailable("output_unwritable", text, file=file, reason=error.strerror) from None
        limits = Limits(seconds=build.timeout, memory=build.memory)
        held = run(build.command, room, _environment(room), limits, network=build.network, lonely=not allow_network)
        yield Place(str(room / WORK), _digest(found.files), frozenset(file.path for file in found.files), held)


def _copy(folder: Path, found: Collected, into: Path) -> None:
    into.mkdir()
    for path in found.empty:
        (into / path).mkdir(parents=True, exist_ok=True)
    for file in found.files:
        target = into / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(folder / file.path, target, follow_symlinks=False)  # `make` looks at the times


def _digest(files: tuple[FileEntry, ...]) -> str:
    return hashlib.sha256(msgspec.json.Encoder(order="deterministic").encode(files)).hexdigest()


def _environment(room: Path) -> dict[str, str]:
    """The same wherever it runs, but for the place."""
    home = str(room / HOME)
    seconds = epoch()
    told = {} if seconds is None else {EPOCH: str(seconds)}
    return {"HOME": home, "TMPDIR": home, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC", **told}
