"""Hostile archives, each by its own few lines: what was tried against other unpackers, and what nobody should try.

A case holds the bytes, the signed list that comes with them, and how it has to be refused. Where the list names the
hostile entry as well, the publisher is the enemy, and our own rules have to stop it; elsewhere somebody on the way is.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from beeyard.domain.packages import FileEntry
from tests.corpora.tar import END, block, file, gnu, link, linked, listed, padded, pax, squeezed

A = listed("a", b"x")


class Case(NamedTuple):
    """`code` and `text` of the error."""

    payload: bytes
    files: list[FileEntry]
    code: str
    text: str


def _case(code: str, text: str, files: Sequence[FileEntry], *members: bytes, end: bytes = END) -> Case:
    return Case(squeezed(b"".join(members) + end), list(files), code, f"tool 1.0: {text}")


def _named(path: str, what: str, code: str = "archive_name") -> Callable[[], Case]:
    """A file whose name is wrong, in the list as in the archive."""
    return lambda: _case(code, f"{path!r} {what}", [listed(path, b"x")], pax(path=path) + file("n", b"x"))


def _linking(path: str, target: str, *more: tuple[str, str]) -> Callable[[], Case]:
    """A link, and perhaps others, in the list as in the archive."""
    every = sorted([(path, target), *more])
    what = f"'{path}' is a link to '{target}', which leads out of the package, too deep or in a circle"
    return lambda: _case("archive_link", what, [linked(*one) for one in every], *(link(*one) for one in every))


def _kind(kind: bytes, what: str, *, size: int = 0, target: str = "") -> Callable[[], Case]:
    """An entry of a kind that no package has."""
    entry = block("a", kind, size=size, target=target)
    return lambda: _case("archive_kind", f"'a' {what}", [A], entry, padded(b"x" * size))


def _spoilt(what: str, *members: bytes, at: str = "", files: Sequence[FileEntry] = (A,)) -> Callable[[], Case]:
    """An archive that two readers could read differently."""
    text = f"the archive {what}, at {at!r}" if at else f"the archive {what}"
    return lambda: _case("archive_malformed", text, files, *members)


def _twins(first: str, second: str, path: str, twin: str) -> Callable[[], Case]:
    """Two names that are one on other file systems."""
    files = sorted([listed(first, b"x"), listed(second, b"x")], key=lambda entry: entry.path)
    members = [pax(path=entry.path) + file("n", b"x") for entry in files]
    text = f"{path!r} is the same name as {twin!r} on some file systems"
    return lambda: _case("archive_twins", text, files, *members)


def bomb() -> Case:
    """A gigabyte of zeros, honestly listed."""
    files = [FileEntry("a", 2**30, "0" * 64)]
    case = _case("archive_limits", "", files, block("a", size=2**30), bytes(2**20))
    what = f"has {2**30} bytes in {len(case.payload)} bytes of archive: a bomb and no package"
    return case._replace(text=f"tool 1.0: the archive {what}")


def many() -> Case:
    """More files than anything needs."""
    files = [listed(f"{number:06}") for number in range(100_001)]
    return _case("archive_limits", "'100000' is beyond the 100000 files a package may have", files)


def many_folders() -> Case:
    """Few files, each sixty folders deep."""
    files = [listed("/".join([f"{number:04}", *"d" * 60, "a"])) for number in range(1640)]
    text = f"{files[1639].path!r} is beyond the 100000 folders a package may have"
    return _case("archive_limits", text, files)


def costly_links() -> Case:
    """Every link leads over all the others, and each of these over a thousand folders and back."""
    chain = [linked(f"{number:05}", "q/../" * 700 + f"{number + 1:05}") for number in range(30)]
    more = [linked(f"{number:05}", "00000") for number in range(31, 20_000)]
    return _case(
        "archive_link",
        "'z' is a link to '..', which leads out of the package, too deep or in a circle",
        [*chain, *more, linked("z", "..")],
    )


def swapped() -> Case:
    """A link in the place of a folder, then a file through it."""
    files = [linked("d", ".."), listed("d/evil", b"x")]
    text = "'d' is listed, and other entries lie within it"
    return _case("archive_twins", text, files, link("d", ".."), file("d/evil", b"x"))


def swapped_on_the_way() -> Case:
    """The same, while the publisher signed a folder there."""
    members = (link("d", ".."), file("d/evil", b"x"))
    return _case("archive_unlisted", "'d' is not in the signed list", [listed("d/evil", b"x")], *members)


def trailing() -> Case:
    """More after the frame."""
    case = _spoilt("goes on after its end", file("a", b"x"))()
    return case._replace(payload=case.payload + b"more")


def second_frame() -> Case:
    """Another archive behind it."""
    case = _spoilt("goes on after its end", file("a", b"x"))()
    return case._replace(payload=case.payload * 2)


def truncated() -> Case:
    """Half of it."""
    content = bytes(range(256)) * 40
    case = _spoilt("ends too early", file("a", content), files=[listed("a", content)])()
    return case._replace(payload=case.payload[:-8])


def flipped() -> Case:
    """One bit another, which the frame's checksum tells."""
    content = bytes(range(256)) * 40
    case = _spoilt("", file("a", content), files=[listed("a", content)])()
    what = "Unable to decompress Zstandard data: Restored data doesn't match checksum"
    changed = case.payload[:-1] + bytes([case.payload[-1] ^ 1])
    return case._replace(payload=changed, text=f"tool 1.0: the archive is not compressed as it ought to be: {what}")


def wide_window() -> Case:
    """One that needs 2 GB to be unpacked."""
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([(31 - 10) << 3]) + b"\x09\x00\x00x"
    what = "Unable to decompress Zstandard data: Frame requires too much memory for decoding"
    text = f"tool 1.0: the archive is not compressed as it ought to be: {what}"
    return Case(frame, [A], "archive_malformed", text)


def checksum() -> Case:
    """A header of which something was changed."""
    entry = file("a", b"x")
    return _spoilt("has a header with a wrong checksum", b"b" + entry[1:])()


def overflowing() -> Case:
    """Much more after the end mark, if only zeros."""
    return _case("archive_malformed", "the archive goes on after its end", [A], file("a", b"x"), end=bytes(2**22))


def lying_bomb() -> Case:
    """A gigabyte of zeros where the list says one byte."""
    text = f"'a' has {2**30} bytes, 1 in the signed list"
    return _case("archive_differs", text, [A], block("a", size=2**30), bytes(2**26))


def skippable(*, before: bool) -> Case:
    """A frame that decompressors pass over, which may hold anything, before the archive or behind it."""
    case = _spoilt("ends too early" if before else "goes on after its end", file("a", b"x"))()
    frame = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"evil"
    return case._replace(payload=frame + case.payload if before else case.payload + frame)


def empty_frame_first() -> Case:
    """Nothing at all, and then an archive."""
    case = _spoilt("ends too early", file("a", b"x"))()
    return case._replace(payload=squeezed(b"") + case.payload)


def split() -> Case:
    """One archive in two frames."""
    case = _spoilt("ends too early", file("a", b"x"), at="a")()
    content = file("a", b"x") + END
    return case._replace(payload=squeezed(content[:512]) + squeezed(content[512:]))


_TREE = [listed("d/a", b"x")]
_DEEP = "/".join(["d"] * 65)
_LONG = "n" * 256
_LONGER = "/".join(["n" * 200] * 16)
_GZIP = b"\x1f\x8b\x08\x00" + bytes(60)
_TWICE = "says the path of an entry twice"

CASES: dict[str, Callable[[], Case]] = {
    # names
    "traversal": _named("../evil", "leads over '.' or '..'"),
    "traversal further down": _named("d/../../evil", "leads over '.' or '..'"),
    "a dot": _named("./a", "leads over '.' or '..'"),
    "absolute": _named("/tmp/evil", "is an absolute path"),
    "absolute twice": _named("//tmp/evil", "is an absolute path"),
    "empty part": _named("d//a", "has an empty name in its path"),
    "ends with a slash": _named("d/", "has an empty name in its path"),
    "control character": _named("a\x1b[2Jb", "has a control character in its name, or is no valid Unicode"),
    "line feed": _named("a\nb", "has a control character in its name, or is no valid Unicode"),
    "deep": _named(_DEEP, "lies 65 levels deep, more than 64"),
    "long part": _named(_LONG, "has a name of more than 255 bytes"),
    "long path": _named(_LONGER, "has a path of more than 3072 bytes"),
    "unlisted traversal": lambda: _case(
        "archive_unlisted", "'../evil' is not in the signed list", [A], file("a", b"x"), file("../evil", b"x")
    ),
    "traversal by prefix": lambda: _case(
        "archive_unlisted",
        "'../evil' is not in the signed list",
        [A],
        block("evil", prefix="..", size=1) + padded(b"x"),
    ),
    "traversal by pax": lambda: _case(
        "archive_unlisted", "'../evil' is not in the signed list", [A], pax(path="../evil"), file("a", b"x")
    ),
    "traversal by long name": lambda: _case(
        "archive_unlisted", "'../evil' is not in the signed list", [A], gnu(b"L", "../evil"), file("a", b"x")
    ),
    # links
    "link out": _linking("l", "../outside"),
    "link out absolutely": _linking("l", "/etc/passwd"),
    "link out from below": _linking("d/l", "../../outside"),
    "link chain": _linking("b", "a/../..", ("a", "d/e"), ("d/e", "..")),
    "link that goes deep": _linking("l", "d/" * 65 + "../" * 65 + "a"),
    "link chain without end": _linking("00", "01", *((f"{n:02}", f"{n + 1:02}") for n in range(1, 41))),
    "link over too many others": _linking("a", "b/" * 40, ("b", ".")),
    "link to itself": _linking("l", "l"),
    "links in a circle": _linking("a", "b", ("b", "a")),
    "link to a control character": lambda: _case(
        "archive_link", "'l' is a link to what can't be a name", [linked("l", "a\nb")], link("l", "a\nb")
    ),
    "dir-link swap": swapped,
    "dir-link swap on the way": swapped_on_the_way,
    "link for a file": lambda: _case(
        "archive_differs", "'a' is not the link, or the file, that the signed list says", [A], link("a", "b")
    ),
    "another target": lambda: _case(
        "archive_differs",
        "'l' is not the link, or the file, that the signed list says",
        [linked("l", "a")],
        link("l", "../a"),
    ),
    # kinds and modes
    "hard link": _kind(b"1", "is a hard link", target="/etc/passwd"),
    "character device": _kind(b"3", "is a device"),
    "block device": _kind(b"4", "is a device"),
    "fifo": _kind(b"6", "is a FIFO"),
    "sparse": _kind(b"S", "is a sparse file", size=1),
    "global header": lambda: _case(
        "archive_kind", "'pax' is a header for all that follow", [A], pax(b"g", path="evil")
    ),
    "unknown kind": _kind(b"Z", "is of the unknown kind b'Z'"),
    "contiguous": _kind(b"7", "is of the unknown kind b'7'"),
    "setuid": lambda: _case(
        "archive_mode", "'a' has the mode 4755: no package needs that", [A], file("a", b"x", mode=0o4755)
    ),
    "setgid folder": lambda: _case(
        "archive_mode", "'d' has the mode 2755: no package needs that", _TREE, block("d/", b"5", mode=0o2755)
    ),
    "world-writable": lambda: _case(
        "archive_mode", "'a' has the mode 0666: no package needs that", [A], file("a", b"x", mode=0o666)
    ),
    # what the list says otherwise
    "duplicate": lambda: _case("archive_repeated", "'a' comes twice", [A], file("a", b"x"), file("a", b"x")),
    "duplicate in the list": lambda: _case("archive_repeated", "'a' is listed twice", [A, A], file("a", b"x")),
    "duplicate folder": lambda: _case(
        "archive_repeated",
        "'d' comes twice",
        _TREE,
        *[block("d/", b"5", mode=0o755)] * 2,
    ),
    "folder of its own": lambda: _case(
        "archive_unlisted",
        "'e' is not in the signed list",
        _TREE,
        block("e/", b"5", mode=0o755),
    ),
    "another content": lambda: _case(
        "archive_differs", "'a' has another content than the signed list says", [A], file("a", b"y")
    ),
    "another size": lambda: _case("archive_differs", "'a' has 2 bytes, 1 in the signed list", [A], file("a", b"xy")),
    "executable": lambda: _case(
        "archive_differs",
        "'a' can be executed only by the archive, or only by the signed list",
        [A],
        file("a", b"x", mode=0o755),
    ),
    "missing": lambda: _case("archive_missing", "'a' is in the signed list but not in the archive", [A]),
    "list out of order": lambda: _case(
        "archive_entry",
        "'a' is listed after 'b', out of order",
        [listed("b", b"x"), A],
        file("b", b"x"),
        file("a", b"x"),
    ),
    "link with content": lambda: _case(
        "archive_entry", "'l' is listed as a link and as a file", [FileEntry("l", 1, link="a")], link("l", "a")
    ),
    "no digest": lambda: _case(
        "archive_entry",
        "'a' is listed without the digest or the size of its content",
        [FileEntry("a", 1)],
        file("a", b"x"),
    ),
    # twins
    "case twins": _twins("Tool", "tool", "tool", "Tool"),
    "case twins of folders": _twins("Lib/a", "lib/b", "lib/b", "Lib"),
    "Unicode twins": _twins("e\u0301", "\u00e9", "\u00e9", "e\u0301"),
    "folded twins": _twins("stra\u00dfe", "strasse", "stra\u00dfe", "strasse"),
    # limits
    "bomb": bomb,
    "many files": many,
    "many folders": many_folders,
    "costly links": costly_links,
    "lying bomb": lying_bomb,
    "headers without end": _spoilt("has more than 8 headers before one entry", pax(mtime="1") * 200_000),
    "long names without end": _spoilt("says the path of an entry twice", gnu(b"L", "a") * 200_000),
    "wide window": wide_window,
    "endless zeros": overflowing,
    # what two readers may read differently
    "trailing garbage": trailing,
    "second frame": second_frame,
    "skippable frame first": lambda: skippable(before=True),
    "skippable frame behind": lambda: skippable(before=False),
    "empty frame first": empty_frame_first,
    "in two frames": split,
    "truncated": truncated,
    "bit flipped": flipped,
    "not compressed": lambda: Case(
        _GZIP,
        [A],
        "archive_malformed",
        "tool 1.0: the archive is not compressed as it ought to be: "
        "Unable to decompress Zstandard data: Unknown frame descriptor",
    ),
    "no end mark": lambda: _case(
        "archive_malformed", "the archive ends too early, at 'a'", [A], file("a", b"x"), end=b""
    ),
    "half an end mark": _spoilt("ends in the middle of an entry", file("a", b"x"), bytes(512), file("b", b"x"), at="a"),
    "after the end mark": _spoilt("goes on after its end", file("a", b"x"), END, file("b", b"x")),
    "something in the padding": _spoilt("has something between two entries", block("a", size=1) + b"x" * 512, at="a"),
    "wrong checksum": checksum,
    "negative size": _spoilt(
        "has a header with a number that is none, or is below zero", block("a", size=b"\xff" * 12), padded(b"x")
    ),
    "negative octal size": _spoilt(
        "has a header with a number that is none, or is below zero", block("a", size=b"-0000000001\0")
    ),
    "size twice": _spoilt("says the size of an entry twice", pax(size="2"), file("a", b"x")),
    "smaller by pax": _spoilt("says the size of an entry twice", pax(size="1"), file("a", b"xy")),
    "traversal by pax prefix": lambda: _case(
        "archive_unlisted", "'../a' is not in the signed list", [A], pax(path="../a"), block("a", prefix="..")
    ),
    "link out by pax": lambda: _case(
        "archive_differs",
        "'l' is not the link, or the file, that the signed list says",
        [linked("l", "a")],
        pax(linkpath="../../etc/passwd"),
        link("l", "a"),
    ),
    "size by pax that is none": _spoilt("says the size of an entry twice", pax(size="-1"), block("a")),
    "name twice": _spoilt(_TWICE, gnu(b"L", "b"), pax(path="a"), file("c", b"x")),
    "name twice in one": _spoilt(_TWICE, gnu(b"L", "a"), gnu(b"L", "a"), file("c", b"x")),
    "endless name": _spoilt("has a name or a header of 8589934591 bytes", block("n", b"L", size=8**11 - 1)),
    "name with a tail": _spoilt("has a name that goes on after its end", block(b"a\0b", size=1) + padded(b"x")),
    "name that is no UTF-8": _spoilt(
        "has a name that is not in UTF-8: b'\\xff'", block(b"\xff", size=1) + padded(b"x")
    ),
    "sparse by pax": _spoilt(
        "has a pax header with 'GNU.sparse.major', which changes what is unpacked",
        pax(GNU_sparse_major="1"),
        file("a", b"x"),
    ),
    "character set by pax": _spoilt(
        "has a pax header with 'hdrcharset', which changes what is unpacked", pax(hdrcharset="BINARY"), file("a", b"x")
    ),
    "pax with a wrong length": _spoilt(
        "has a pax header that can't be read", block("p", b"x", size=9), padded(b"99 path=a")
    ),
    "pax with a NUL": _spoilt("has a pax header that can't be read", pax(path="a\0b"), file("a", b"x")),
    "folder with content": _spoilt(
        "has the entry 'd/' with a content or a target that such an entry can't have",
        block("d/", b"5", size=1, mode=0o755) + padded(b"x"),
        files=_TREE,
    ),
    "name for nothing": _spoilt("ends in the middle of an entry", file("a", b"x"), gnu(b"L", "b"), at="a"),
}
