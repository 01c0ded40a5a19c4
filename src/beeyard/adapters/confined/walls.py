"""Gives this process a view of the host of its own: no processes, no network and no files but those it is to have.

By namespaces, so it works for root, and for whoever may make namespaces of users. Says whether it could be had, in an
OSError that names nothing else; whoever got one has to end. Standard library only: this runs in the child.
"""

import contextlib
import ctypes
import os
import stat
import struct
from collections.abc import Container, Iterable, Iterator, Sequence

from beeyard.adapters.archives.confine import _libc

_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET, _CLONE_NEWIPC = 1 << 17, 1 << 28, 1 << 29, 1 << 30, 1 << 27
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _BIND, _REC, _PRIVATE, _DETACH = 1, 2, 4, 8, 1 << 12, 1 << 14, 1 << 18, 2
_MOUNT_SETATTR = 442
"""The same number on every architecture; since Linux 5.12."""
_RECURSIVE = 0x8000
SHY = ("/etc", "/opt")
"""Where what only some may read is hidden: as root, or as its owner, the command could."""
_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}


def separate(*, users: bool, network: bool) -> None:
    """What this process makes from now on is in namespaces of its own, the next process as the first one there.
    `users`: with one of users as well, as anybody needs who is not root. `network`: ours is kept.

    Raises OSError; then nothing has changed.
    """
    user, group = os.getuid(), os.getgid()
    own = _CLONE_NEWNS | _CLONE_NEWPID | _CLONE_NEWIPC | (0 if network else _CLONE_NEWNET)
    _done(_libc.unshare(own | (_CLONE_NEWUSER if users else 0)))
    if users:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with contextlib.suppress(OSError), open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)  # without it only the names of users are lost


def enclose(folder: str, tools: Sequence[str], sinks: Sequence[str]) -> None:
    """Nothing is left of the file system but `folder`, to write to; `tools` to read and run; devices among `sinks`; and
    the processes of this namespace, whose first one this is. Raises OSError."""
    _mount("", "/", "", _REC | _PRIVATE)
    kept = [path for path in tools if path != "/proc" and os.path.exists(path)]
    links = {path: os.path.realpath(path) for path in kept if os.path.islink(path)}
    links = {path: real for path, real in links.items() if _within(real, set(kept) - set(links))}
    opened = {path: _opened(path) for path in (*kept, *sinks, folder) if path not in links and os.path.exists(path)}
    null = _opened(os.devnull)
    hidden = dict(_hidden((path for path in SHY if path in opened), opened))
    root = "/dev"  # every host has it, and what we need of it is open
    _mount("tmpfs", root, "tmpfs", _NOSUID, "mode=0755,size=4m")
    for path in sorted({**opened, **hidden}, key=len):
        if path in opened:
            _bind(opened[path], root + path, _RDONLY if path in kept else 0)
        elif hidden[path]:
            _mount("tmpfs", root + path, "tmpfs", _NOSUID, "mode=0555,size=4k")
        else:
            _bind(null, root + path, _RDONLY)
    os.makedirs(f"{root}/dev", exist_ok=True)
    for path, real in (*links.items(), *((f"/dev/{name}", to) for name, to in _LINKS.items())):
        os.symlink(real, root + path)
    os.makedirs(f"{root}/proc", exist_ok=True)
    _mount("proc", f"{root}/proc", "proc", _RDONLY | _NOSUID | _NODEV | _NOEXEC)
    for path in ("", *(path for path, isfolder in hidden.items() if isfolder)):
        _change(root + path, _RDONLY, recursive=False)
    os.chdir(root)
    _done(_libc.pivot_root(b".", b"."))
    _done(_libc.umount2(b".", _DETACH))
    os.chdir("/")
    for number in (*opened.values(), null):
        os.close(number)


def public(folder: str) -> Iterator[str]:
    """The largest parts of it in which everybody may read everything."""
    hidden = {path for path, _ in _hidden([folder])}
    if not hidden:
        yield folder
        return
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink() or entry.path in hidden:
                continue
            if entry.is_dir():
                yield from public(entry.path)
            else:
                yield entry.path


def _bind(source: int, target: str, flags: int) -> None:
    """What is open, with all that is mounted below it."""
    isfolder = stat.S_ISDIR(os.fstat(source).st_mode)
    os.makedirs(target if isfolder else os.path.dirname(target), exist_ok=True)
    if not isfolder and not os.path.exists(target):
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o444))
    _mount(f"/proc/self/fd/{source}", target, "", _BIND | _REC)
    _change(target, flags | _NOSUID, recursive=True)


def _hidden(folders: Iterable[str], spare: Container[str] = ()) -> Iterator[tuple[str, bool]]:
    """What not everybody may read there, but for these, and whether it is a folder."""
    for folder in folders:
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_symlink() or entry.path in spare:
                    continue
                isfolder = entry.is_dir()
                asked = 0o005 if isfolder else 0o004
                if entry.stat().st_mode & asked != asked:
                    yield entry.path, isfolder
                elif isfolder:
                    yield from _hidden([entry.path], spare)


def _within(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def _opened(path: str) -> int:
    return os.open(path, os.O_PATH | os.O_CLOEXEC)


def _mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    words = [os.fsencode(word) or None for word in (source, target, kind)]
    _done(_libc.mount(*words, ctypes.c_ulong(flags), os.fsencode(data) or None))


def _change(path: str, flags: int, *, recursive: bool) -> None:
    """The flags of a mount, added to those that it has; below it as well."""
    wanted = struct.pack("=4Q", flags, 0, 0, 0)  # these few have the same numbers here
    how = ctypes.c_uint(_RECURSIVE if recursive else 0)
    _done(_libc.syscall(_MOUNT_SETATTR, -100, os.fsencode(path), how, wanted, ctypes.c_size_t(len(wanted))))


def _done(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
