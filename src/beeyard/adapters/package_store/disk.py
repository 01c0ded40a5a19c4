"""What has to be on the disk, and renames that can't overwrite. Blocks; knows no package.

Nothing is durable because it was written: a file is when it was synced, and its name when its folder was.
"""

import ctypes
import os
import stat
from pathlib import Path

MANY = 500
"""Files: more of them are synced all at once with the whole filesystem, 268 ms instead of 584 for 2,000 small ones."""
LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC

_AT_FDCWD = -100
_NOREPLACE, _EXCHANGE = 1, 2
_LIBC = ctypes.CDLL(None, use_errno=True)


def rename_new(source: Path, target: Path) -> None:
    """Rename to a name that nobody has. Raises FileExistsError."""
    _renameat2(source, target, _NOREPLACE)


def exchange(one: Path, other: Path) -> None:
    """Each gets the other's name, in one step."""
    _renameat2(one, other, _EXCHANGE)


def sync(path: Path) -> None:
    """A file's bytes and mode, or a folder's names."""
    fd = os.open(path, LOOK)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_filesystem(path: Path) -> None:
    """Everything on it; since Linux 5.8 this tells of what could not be written."""
    fd = os.open(path, LOOK)
    try:
        _syncfs(fd)
    finally:
        os.close(fd)


def write(path: Path, data: bytes) -> None:
    """A small file, durable; whoever reads it finds the old one or the new one, whole. No draft stays if it fails."""
    draft = path.with_name(f".{path.name}.new")
    try:
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(fd, rest) :]
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(draft, path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    sync(path.parent)


def make_folder(path: Path, mode: int = 0o755) -> None:
    """A folder of this mode, whatever the umask. Its parent is for the caller to sync, also if it was there already:
    whoever made it may have died before doing so."""
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        return
    os.chmod(path, mode)


def loosen(path: Path) -> None:
    """Let a read-only folder be moved elsewhere: that changes its `..`, so only root could."""
    mode = os.lstat(path).st_mode
    if stat.S_ISDIR(mode) and not mode & stat.S_IWUSR:
        os.chmod(path, stat.S_IMODE(mode) | stat.S_IRWXU)


def delete(path: Path) -> None:
    """A file or a whole tree, read-only or not; follows no link. Others may be deleting it too."""
    try:
        try:
            os.unlink(path)
        except (IsADirectoryError, PermissionError):
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                raise
            loosen(path)
            for name in os.listdir(path):
                delete(path / name)
            os.rmdir(path)
    except FileNotFoundError:
        pass


def _renameat2(source: Path, target: Path, flags: int) -> None:
    if _LIBC.renameat2(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), flags) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(source), None, str(target))


def _syncfs(fd: int) -> None:
    if _LIBC.syncfs(fd) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
