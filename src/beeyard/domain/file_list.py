"""What a package's list of files may hold, so that writing it down harms no host. Knows names and links, no bytes.

The rules are the same for whoever builds a package and for whoever unpacks one: a list without faults describes a tree
that lies within its own folder on every file system, and reads the same on all of them.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

from msgspec import Struct

from beeyard.domain.links import DEEPEST, Links
from beeyard.domain.packages import DIGEST, FileEntry

MOST_FILES = 100_000
"""And as many folders."""
LONGEST_PART, LONGEST_PATH = 255, 3072
"""Bytes in UTF-8; what the kernel takes, less room for the folder of the store."""
LONGEST_TARGET = 4095
RATIO, RATIO_FROM = 1000, 64 * 2**20
"""Beyond so many bytes unpacked, no more than so many times the bytes of the archive."""


class Fault(Struct, frozen=True):
    """One thing that no package may hold: `code` is stable, `what` a part of a sentence about `path`."""

    code: str
    path: str
    what: str


def faults(files: Sequence[FileEntry]) -> list[Fault]:
    """Everything wrong with a list, in its order; each entry once."""
    if len(files) > MOST_FILES:
        return [Fault("archive_limits", files[MOST_FILES].path, f"is beyond the {MOST_FILES} files a package may have")]
    found: dict[str, Fault] = {}
    for fault in _names(files):
        found.setdefault(fault.path, fault)
    named = [entry for entry in files if entry.path not in found]
    if crowded := _crowded(named):
        return [crowded]
    for fault in (*_places(named), *_contents(named), *_links(named)):
        found.setdefault(fault.path, fault)
    return list(found.values())


def swollen(size: int, payload: int) -> bool:
    """Whether so many bytes in an archive of so few are a bomb and no package."""
    return size > RATIO_FROM and size > payload * RATIO


def folders(files: Sequence[FileEntry]) -> list[str]:
    """Every folder of the tree but the outermost, each after the one that it is in."""
    return sorted({above for entry in files for above in _above(entry.path)})


def _above(path: str) -> list[str]:
    """`a`, `a/b` for `a/b/c`."""
    return list(accumulate(path.split("/")[:-1], "{}/{}".format))


def _crowded(files: Sequence[FileEntry]) -> Fault | None:
    """The entry by which there are too many folders: a few bytes of a list can ask for sixty of them."""
    found: set[str] = set()
    for entry in files:
        found.update(_above(entry.path))
        if len(found) > MOST_FILES:
            return Fault("archive_limits", entry.path, f"is beyond the {MOST_FILES} folders a package may have")
    return None


def _names(files: Sequence[FileEntry]) -> Iterator[Fault]:
    for entry in files:
        if what := _name(entry.path):
            yield Fault("archive_name", entry.path, what)
    for before, entry in pairwise(files):
        if before.path == entry.path:
            yield Fault("archive_repeated", entry.path, "is listed twice")
        elif before.path > entry.path:
            yield Fault("archive_entry", entry.path, f"is listed after {before.path!r}, out of order")


def _name(path: str) -> str:
    """What is wrong with a path; empty: nothing."""
    parts = path.split("/")
    if path.startswith("/"):
        return "is an absolute path"
    if not all(parts):
        return "has an empty name in its path"
    if {".", ".."} & set(parts):
        return "leads over '.' or '..'"
    if not _printable(path):
        return "has a control character in its name, or is no valid Unicode"
    if len(parts) > DEEPEST:
        return f"lies {len(parts)} levels deep, more than {DEEPEST}"
    if max(len(part.encode()) for part in parts) > LONGEST_PART:
        return f"has a name of more than {LONGEST_PART} bytes"
    return f"has a path of more than {LONGEST_PATH} bytes" if len(path.encode()) > LONGEST_PATH else ""


def _printable(text: str) -> bool:
    return not any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text)


def _places(files: Sequence[FileEntry]) -> Iterator[Fault]:
    """Names that some file systems take for the same, and what is both a folder and something else."""
    inner = set(folders(files))
    seen: dict[str, str] = {}
    for entry in files:
        if entry.path in inner:
            yield Fault("archive_twins", entry.path, "is listed, and other entries lie within it")
        for path in (*_above(entry.path), entry.path):
            twin = seen.setdefault(_folded(path), path)
            if twin != path:
                yield Fault("archive_twins", entry.path, f"is the same name as {twin!r} on some file systems")
                break


def _folded(path: str) -> str:
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _contents(files: Sequence[FileEntry]) -> Iterator[Fault]:
    for entry in files:
        if entry.link:
            if entry.size or entry.sha256 or entry.executable:
                yield Fault("archive_entry", entry.path, "is listed as a link and as a file")
        elif not re.fullmatch(DIGEST, entry.sha256) or entry.size < 0:
            yield Fault("archive_entry", entry.path, "is listed without the digest or the size of its content")


def _links(files: Sequence[FileEntry]) -> Iterator[Fault]:
    links = {entry.path: entry.link for entry in files if entry.link}
    tree = Links(links)
    for path, target in links.items():
        if len(target.encode(errors="replace")) > LONGEST_TARGET or not _printable(target):
            yield Fault("archive_link", path, "is a link to what can't be a name")
        elif tree.end(path) is None:
            yield Fault(
                "archive_link",
                path,
                f"is a link to {target!r}, which leads out of the package, too deep or in a circle",
            )
