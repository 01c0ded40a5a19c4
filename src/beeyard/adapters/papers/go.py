"""Go's modules in a package, by what Go's linker wrote into each program: what `go version -m` prints.

The form is that of Go 1.18 and later (`debug/buildinfo` of its library): a header of 32 bytes at a multiple of 16, then
two strings, each after its length: the version of Go, and a line for each module between two marks of 16 bytes.
"""

import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from beeyard.adapters.papers.parts import Part
from beeyard.domain.packages import FileEntry

MAGIC = b"\xff Go buildinf:"
ALIGNED, HEADER, MARK, INLINE = 16, 32, 16, 2
MOST = 2**20
"""Bytes of such a string."""
_PROGRAMS = (b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe")


def find(folder: Path, files: Sequence[FileEntry]) -> Iterator[Part]:
    """See finding.Find."""
    for file in files:
        if file.size > HEADER and not file.link:
            with (folder / file.path).open("rb") as stream:
                if stream.read(4).startswith(_PROGRAMS):
                    with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                        yield from _modules(data, file.path)


def _modules(data: mmap.mmap, path: str) -> Iterator[Part]:
    at = data.find(MAGIC)
    while 0 <= at <= len(data) - HEADER:
        told = None if at % ALIGNED or not data[at + len(MAGIC) + 1] & INLINE else _told(data, at + HEADER)
        if told is not None:
            yield from _parts(*told, path)
            return
        at = data.find(MAGIC, at + 1)


def _told(data: mmap.mmap, at: int) -> tuple[str, str] | None:
    """The version of Go, and the lines; None where it only looks like a header."""
    found = []
    for _ in range(2):
        length = shift = 0
        while at < len(data):
            byte = data[at]
            length |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if byte < 0x80 or shift > 28:
                break
        if length > MOST or at + length > len(data):
            return None
        found.append(data[at : at + length])
        at += length
    version, lines = found
    if not version.startswith((b"go", b"devel")):
        return None
    return version.decode(errors="replace"), lines[MARK:-MARK].decode(errors="replace")


def _parts(go: str, lines: str, path: str) -> Iterator[Part]:
    number = go.partition(" ")[0].removeprefix("go")
    yield Part("stdlib", number, f"pkg:golang/stdlib@{quote(number, safe='')}", (path,))
    told: list[tuple[str, str]] = []
    for line in lines.splitlines():
        word, *fields = line.split("\t")
        if word in ("mod", "dep") and len(fields) >= 2:
            told.append((fields[0], fields[1]))
        elif word == "=>" and len(fields) >= 2 and told:  # what was built in its place
            told[-1] = (fields[0], fields[1])
    for name, version in told:
        purl = f"pkg:golang/{quote(name.lower(), safe='/')}"
        known = "" if version == "(devel)" else version
        yield Part(name, known, f"{purl}@{quote(known, safe='')}" if known else purl, (path,))
