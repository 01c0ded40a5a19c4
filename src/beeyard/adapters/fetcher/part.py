"""The file on its way: `<sha256>.part` with holes, and `<sha256>.json` that says which bytes are there.

Whoever holds it holds a lock on the part itself, so that no lock file is left over. The bytes that the note speaks of
are synced before it is written, so a power cut does not make it a lie. Knows nothing of where they come from.
"""

import errno
import fcntl
import os
from contextlib import suppress
from hashlib import sha256 as new_hash
from pathlib import Path
from threading import Lock

import msgspec
from msgspec import Struct

from beeyard.adapters.fetcher.ranges import Span, joined, length, missing
from beeyard.adapters.fetcher.words import Place

BLOCK = 1 << 20
_CANT_RESERVE = {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.ENODEV}


class Note(Struct):
    """What is known of a part: its bytes, and the names that the source gave to what they are of."""

    size: int
    done: list[Span] = []
    source: str = ""
    etag: str = ""
    modified: str = ""


def hold(path: Path) -> int | None:
    """Make the part, and lock it. None: another process, or another task of this one, holds it."""
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(fd), path.stat(follow_symlinks=False)):
                    return fd
        except BlockingIOError:
            os.close(fd)
            return None
        os.close(fd)  # Who held it has finished it, or thrown it away: what was locked is no part any more.


def matches(path: Path, size: int, sha256: str) -> bool:
    """Whether the whole file is there, with these bytes."""
    try:
        with path.open("rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_size != size:
                return False
            digest = new_hash()
            while block := file.read(BLOCK):
                digest.update(block)
    except FileNotFoundError:
        return False
    return digest.hexdigest() == sha256


class Part:
    """One file under way, held. `write` may be called by several threads at once."""

    def __init__(self, path: Path, fd: int, size: int, sha256: str, place: Place) -> None:
        """`fd` is from `hold`; who has it closes it. Raises Rejected when there is no room for the rest."""
        self.path = path
        self.size = size
        self.sha256 = sha256
        self._place = place
        self._fd = fd
        self._lock = Lock()
        self._noted = True
        self._hash, self._hashed = new_hash(), 0
        self.note = self._read()
        self.answers = 1 if self.note.done else 0
        """From how many it was put together, that of the last try counted as one."""
        self._reserve()

    @property
    def got(self) -> int:
        """Bytes that are there."""
        return length(self.note.done)

    @property
    def missing(self) -> list[Span]:
        return missing(self.note.done, self.size)

    def write(self, at: int, data: bytes | bytearray) -> None:
        """Put these bytes there; hashed now, if all before them were."""
        rest = memoryview(data)
        while rest:
            written = os.pwrite(self._fd, rest, at + len(data) - len(rest))
            rest = rest[written:]
        with self._lock:
            if at == self._hashed:
                self._hash.update(data)
                self._hashed += len(data)
            self.note.done = joined([*self.note.done, (at, at + len(data))])
            self._noted = False

    def save(self) -> None:
        """Note what is there, once it is safe; for the next try, whoever makes it."""
        with self._lock:
            if self._noted:
                return
            encoded, self._noted = msgspec.json.encode(self.note), True
        os.fdatasync(self._fd)
        draft = self.path.with_suffix(".json.tmp")
        draft.write_bytes(encoded)
        draft.replace(self._json)

    def restart(self) -> None:
        """Forget all that came."""
        with self._lock:
            self.note = Note(self.size)
            self._noted = False
            self.answers = 0
            self._hash, self._hashed = new_hash(), 0

    def finish(self, whole: Path) -> bool:
        """Make it the whole file, durably, if it is the right one. Otherwise it is as it was."""
        while block := os.pread(self._fd, min(BLOCK, self.size - self._hashed), self._hashed):
            self._hash.update(block)
            self._hashed += len(block)
        if self._hash.hexdigest() != self.sha256:
            return False
        os.ftruncate(self._fd, self.size)
        os.fsync(self._fd)
        self._noted = True
        self.path.replace(whole)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._json.unlink(missing_ok=True)
        return True

    def discard(self) -> None:
        """Leave nothing of it on the disk."""
        throw_away(self.path)
        self._noted = True

    @property
    def _json(self) -> Path:
        return self.path.with_suffix(".json")

    def _read(self) -> Note:
        """What the last try noted, if it can be of this file."""
        try:
            note = msgspec.json.decode(self._json.read_bytes(), type=Note)
        except (FileNotFoundError, msgspec.MsgspecError):
            return Note(self.size)
        longest = min(self.size, os.fstat(self._fd).st_size)
        sound = note.size == self.size and all(0 <= begin < end <= longest for begin, end in note.done)
        return note if sound else Note(self.size)

    def _reserve(self) -> None:
        """Take the room before the first byte is asked for."""
        if not self.size:
            return
        held = os.fstat(self._fd).st_blocks * 512
        found = os.fstatvfs(self._fd)
        free = found.f_bavail * found.f_frsize
        try:
            if self.size - held > free:
                raise self._place.no_room(str(self.path.parent), self.size - held, free)
            try:
                os.posix_fallocate(self._fd, 0, self.size)
            except OSError as error:
                if error.errno not in _CANT_RESERVE:
                    raise
        except BaseException:
            if not self.note.done:
                self.discard()
            raise


def throw_away(part: Path) -> None:
    """Remove a part that is held, its note first: a part without one is begun anew."""
    part.with_suffix(".json").unlink(missing_ok=True)
    part.with_suffix(".json.tmp").unlink(missing_ok=True)
    part.unlink(missing_ok=True)
