"""What is kept of a repository on the disk: its metadata, for one at a time, and the small files that were signed.

Nothing in it is believed for being there: whoever takes something out verifies it again.
"""

import asyncio
import contextlib
import fcntl
import os
import tempfile
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

from beeyard.adapters.repositories import layout, sweeping
from beeyard.domain.errors import BeeyardError, Unavailable

_FIRST, _LONGEST = 0.002, 0.02  # seconds between two looks


class Cache:
    """A folder of one repository's own; processes may share it."""

    def __init__(self, repository: str, folder: Path) -> None:
        self._repository = repository
        self._folder = folder

    @asynccontextmanager
    async def metadata(self, patience: float) -> AsyncIterator[Path]:
        """The folder of metadata; nobody else, in whatever process, has it meanwhile.

        Its lock is asked for again and again, so that no thread waits; the file of the lock always stays.

        Raises:
            Unavailable: somebody else had it for all these seconds; the disk.
        """
        folder = self._folder / layout.METADATA
        try:
            folder.mkdir(0o700, parents=True, exist_ok=True)
            handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self.unusable(error) from error
        try:
            clock = asyncio.get_running_loop().time
            until, pause = clock() + patience, _FIRST
            while not _taken(handle):
                if clock() >= until:
                    text, hint = "{repository} is being refreshed by another process", "look for one that hangs"
                    fields = {"repository": self._repository, "folder": str(folder)}
                    raise Unavailable("repository_busy", text, hint=hint, **fields)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST)
            yield folder
        finally:
            os.close(handle)

    def unusable(self, error: OSError) -> BeeyardError:
        """The disk, in our words."""
        text = "{repository}: what is known of it can't be kept in {folder}: {reason}"
        fields = {"repository": self._repository, "folder": str(self._folder), "reason": error.strerror or ""}
        return Unavailable("repository_cache", text, hint="look at the disk", **fields)

    def find(self, sha256: str) -> bytes | None:
        """A file that is said to have this digest."""
        file = self._file(sha256)
        try:
            found = file.read_bytes()
        except OSError:
            return None
        with contextlib.suppress(OSError):
            sweeping.touch(file)
        return found

    def sweep(self, roles: Collection[str]) -> None:
        """Clear away what serves nothing, while one has the folder of metadata; what can't be removed stays."""
        with contextlib.suppress(OSError):
            sweeping.sweep(self._folder / layout.METADATA, self._folder / layout.TARGETS, roles)

    def keep(self, sha256: str, data: bytes) -> None:
        """For later; if it can't be kept it is fetched again."""
        file = self._file(sha256)
        try:
            file.parent.mkdir(0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=file.parent)
            try:
                with open(handle, "wb") as stream:
                    stream.write(data)
                os.replace(name, file)
            except OSError:
                os.unlink(name)
        except OSError:
            pass

    def _file(self, sha256: str) -> Path:
        return self._folder / layout.TARGETS / sha256


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
