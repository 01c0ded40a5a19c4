"""Makes an environment of wheels: which file of each goes where, and what beside them makes Python see it as one.

It is packed as any package is, so that it is unpacked, compared, sealed and mended as any. It may lie anywhere, as its
commands find their Python beside them. Nothing of a wheel is run; each file of it has to be what its RECORD says.
"""

import base64
import csv
import hashlib
import io
import os
import re
import stat
import zipfile
from collections.abc import Iterator, Sequence
from typing import IO

from msgspec import Struct

from beeyard.adapters.archives.codec import PIECE, zstd
from beeyard.adapters.archives.headers import BLOCK, padding
from beeyard.adapters.archives.pack import header
from beeyard.adapters.wheels.about import WRONG, About, Target, about, check_packing, own_folder, small, small_text
from beeyard.adapters.wheels.interpreter import Interpreter
from beeyard.adapters.wheels.listing import Wheel
from beeyard.adapters.wheels.shelf import unreadable
from beeyard.domain.errors import Rejected
from beeyard.domain.file_list import RATIO, RATIO_FROM
from beeyard.domain.packages import FileEntry

UNRECORDED = ("RECORD", "RECORD.jws", "RECORD.p7s")
"""Of what is in the folder about itself, what its RECORD can't vouch for."""
LONGEST_RECORD = 16 * 2**20
"""Bytes: more than that of a wheel with as many files as a package may have."""
LONGEST_SCRIPT = 2**20
"""Bytes of a script whose first line may be ours to write."""
_ON_PYTHON = re.compile(rb"\A#!python[^\n]*\n")
_BESIDE = """#!/bin/sh
'''exec' "$(dirname -- "$(realpath -- "$0")")/python" -B "$0" "$@"
' '''
"""
_COMMAND = """import sys
from {module} import {first}
if __name__ == "__main__":
    sys.exit({called}())
"""


class Fetched(Struct, frozen=True):
    """A wheel that was verified, and the file that it is."""

    wheel: Wheel
    path: str


class _File(Struct, frozen=True):
    """What becomes of one file. `content`: instead of what is in the wheel."""

    at: str
    executable: bool
    size: int
    info: zipfile.ZipInfo | None = None
    content: bytes = b""
    recorded: str = ""


def packed(fetched: Sequence[Fetched], python: Interpreter, into: IO[bytes]) -> tuple[list[FileEntry], list[About]]:
    """Write the archive; all that is in it, sorted, and what each wheel says of itself.

    Raises:
        Untrusted: `wheel_unreadable`, one of them is no wheel, or not what its RECORD says.
        Rejected: `wheels_collide`, two of them bring the same file.
    """
    squeeze = zstd.ZstdCompressor(level=1)  # Read once, on this host.
    entries: dict[str, FileEntry] = {}
    owners: dict[str, str] = {}
    found: list[About] = []

    def add(entry: FileEntry, owner: str) -> None:
        if entry.path in entries:
            raise _collide(entry.path, owners[entry.path], owner)
        entries[entry.path], owners[entry.path] = entry, owner

    for one in fetched:
        try:
            with zipfile.ZipFile(one.path) as wheel, open(one.path, "rb") as again:
                said = about(again)
                found.append(said)
                for file in _files(wheel, one.wheel, said, python):
                    entry, pieces = _hashed(wheel, file)
                    add(entry, one.wheel.file)
                    for piece in (header(entry), *pieces, bytes(padding(entry.size))):
                        into.write(squeeze.compress(piece))
        except WRONG as error:
            raise unreadable(one.wheel, str(error)) from None
    about_it = (
        f"home = {os.path.dirname(python.path)}\ninclude-system-site-packages = false\nversion = {python.version}\n"
    )
    content = about_it.encode()
    own = FileEntry("pyvenv.cfg", len(content), hashlib.sha256(content).hexdigest())
    add(own, "Python itself")
    into.write(squeeze.compress(header(own) + content + bytes(padding(own.size))))
    inner = FileEntry("bin/python3", link="python")
    add(inner, "Python itself")
    add(FileEntry("bin/python", link=python.path), "Python itself")
    into.write(squeeze.compress(header(inner) + bytes(2 * BLOCK)) + squeeze.flush())
    return sorted(entries.values(), key=lambda entry: entry.path), found


def _files(wheel: zipfile.ZipFile, named: Wheel, said: About, python: Interpreter) -> Iterator[_File]:
    """All of one wheel, and its commands. Raises ValueError."""
    inner = own_folder(wheel)
    if len(set(wheel.namelist())) != len(wheel.namelist()):
        raise ValueError("it has a name twice")
    if sum(one.file_size for one in wheel.infolist()) > max(RATIO_FROM, os.fstat(wheel.fp.fileno()).st_size * RATIO):  # type: ignore[union-attr]
        raise ValueError("it is a bomb: its files are too big for it")
    _check_version(small_text(wheel, f"{inner}/WHEEL"))
    rows = csv.reader(io.StringIO(small_text(wheel, f"{inner}/RECORD", LONGEST_RECORD)))
    recorded = {row[0]: row[1] for row in rows if len(row) > 1 and row[0] in wheel.NameToInfo}
    for info in wheel.infolist():
        mode = info.external_attr >> 16
        if info.is_dir():
            continue
        check_packing(info)
        if stat.S_ISLNK(mode):
            raise ValueError(f"{info.filename} is a link, which no wheel has")
        own = info.filename in [f"{inner}/{one}" for one in UNRECORDED]
        digest = recorded.get(info.filename, "")
        if not own and not digest.startswith("sha256="):
            raise ValueError(f"its RECORD does not vouch for {info.filename}")
        at, kind = _place(info.filename, inner, named, python)
        content = b""
        if kind == "scripts" and info.file_size <= LONGEST_SCRIPT:
            script = _vouched(small(wheel, info, LONGEST_SCRIPT), digest, info.filename)
            content = _ON_PYTHON.sub(_BESIDE.encode(), script, count=1)
        runs = kind == "scripts" or bool(mode & 0o111)
        size = len(content) if content else info.file_size
        yield _File(at, runs, size, None if content else info, content, "" if own else digest)
    for name, target in said.scripts.items():
        content = _command(target)
        yield _File(f"bin/{name}", True, len(content), content=content)


def _place(name: str, inner: str, named: Wheel, python: Interpreter) -> tuple[str, str]:
    """Where a file of a wheel goes, and of which kind it is."""
    stem = f"{inner.removesuffix('.dist-info')}.data/"
    if not name.startswith(stem):
        return f"{python.site}/{name}", "purelib"
    kind, _, rest = name.removeprefix(stem).partition("/")
    places = {
        "purelib": f"{python.site}/",
        "platlib": f"{python.site}/",
        "scripts": "bin/",
        "data": "",
        "headers": f"include/site/python{python.version}/{named.name}/",
    }
    if kind not in places or not rest:
        raise ValueError(f"nobody knows where {name} belongs")
    return f"{places[kind]}{rest}", kind


def _hashed(wheel: zipfile.ZipFile, file: _File) -> tuple[FileEntry, Iterator[bytes] | tuple[bytes, ...]]:
    """Its entry, and its content. A file of a wheel is read twice: its digest comes before it in the archive's list."""
    if file.info is None:
        digest = hashlib.sha256(file.content).hexdigest()
        return FileEntry(file.at, file.size, digest, file.executable), (file.content,)
    hashed, size = hashlib.sha256(), 0
    for piece in _read(wheel, file.info):
        hashed.update(piece)
        size += len(piece)
    if file.recorded and _written(hashed.digest()) != file.recorded:
        raise ValueError(f"{file.info.filename} is not what its RECORD says")
    return FileEntry(file.at, size, hashed.hexdigest(), file.executable), _read(wheel, file.info)


def _read(wheel: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    with wheel.open(info) as file:
        while piece := file.read(PIECE):
            yield piece


def _vouched(content: bytes, recorded: str, name: str) -> bytes:
    if _written(hashlib.sha256(content).digest()) != recorded:
        raise ValueError(f"{name} is not what its RECORD says")
    return content


def _written(digest: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _command(target: Target) -> bytes:
    module, called = target
    return (_BESIDE + _COMMAND.format(module=module, first=called.partition(".")[0], called=called)).encode()


def _check_version(said: str) -> None:
    found = re.search(r"^Wheel-Version: *(\d+)\.", said, re.MULTILINE)
    if not found or found[1] != "1":
        raise ValueError("it is of a version of wheels that is not known here")


def _collide(path: str, one: str, other: str) -> Rejected:
    text = "{one} and {other} both bring {path}"
    hint = "they can't be in one environment: take other versions"
    return Rejected("wheels_collide", text, hint=hint, one=one, other=other, path=path)
