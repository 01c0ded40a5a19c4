"""The headers of a tar archive: names, kinds and sizes, as one reader alone understands them. Creates nothing.

What two programs may read differently is refused: a name or a size that is said twice, a number that is none, a key of
a pax header that changes what follows. The standard library's reader allows all of these for the sake of old archives,
and takes half the time of a small install to be imported.

A layer of an image may hold what no package does: hard links, and attributes of files, which are passed over.
"""

from collections.abc import Callable
from typing import NamedTuple

from beeyard.adapters.archives.codec import Malformed

BLOCK = 512
LONGEST = 16 * 1024
"""Bytes of a header's extension."""
MOST = 8
"""Extensions of one header; three say all there is to say."""
SLACK = 1024 * 1024
"""Zero bytes after the end, at most; GNU tar fills up to 10 KB."""

_ZEROS = bytes(BLOCK)
_POSIX = b"ustar\0"
_REFUSED = {
    b"1": "a hard link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a FIFO",
    b"S": "a sparse file",
    b"g": "a header for all that follow",
}
_FAMILIAR = frozenset({"mtime", "atime", "ctime", "uid", "gid", "uname", "gname", "LIBARCHIVE.creationtime"})
"""Keys that say nothing we use."""
_TRUSTED = {"path", "linkpath", "size"}
_ATTRIBUTES = ("SCHILY.xattr.", "LIBARCHIVE.xattr.", "SCHILY.acl.", "SCHILY.fflags", "comment")
"""How keys begin that say what an unpacked image does not have."""


class Member(NamedTuple):
    """What comes next in the archive: a folder, a link if it has a `target`, or a file of `size` bytes.

    `hard`: the target is another entry, whose content this one has as well.
    """

    name: str
    folder: bool
    target: str
    size: int
    mode: int
    hard: bool = False


class Forbidden(Exception):
    """(name, what): an entry of a kind that no package has."""


def padding(size: int) -> int:
    """Bytes after a content of this size, up to the next block."""
    return -size % BLOCK


def member(exactly: Callable[[int], bytes], *, layer: bool = False) -> Member | None:
    """The next entry, whose content has not been read yet; None at the end mark. Raises Malformed, Forbidden.

    Args:
        layer: it is one of an image.
    """
    said: dict[str, str] = {}
    extensions = 0
    while (block := exactly(BLOCK)) != _ZEROS:
        if _number(block[148:156]) != sum(block) - sum(block[148:156]) + 8 * ord(" "):
            raise Malformed("has a header with a wrong checksum")
        kind = block[156:157]
        if kind not in (b"x", b"L", b"K"):
            return _member(block, kind, said, layer=layer)
        extensions += 1
        if extensions > MOST:
            raise Malformed(f"has more than {MOST} headers before one entry")
        size = _number(block[124:136])
        if size > LONGEST:
            raise Malformed(f"has a name or a header of {size} bytes")
        text = exactly(size + padding(size))[:size]
        name = "path" if kind == b"L" else "linkpath"
        for key, value in _records(text, layer) if kind == b"x" else [(name, _text(text))]:
            if key in said:
                raise Malformed(f"says the {key} of an entry twice")
            said[key] = value
    if said or exactly(BLOCK) != _ZEROS:
        raise Malformed("ends in the middle of an entry")
    return None


def _member(block: bytes, kind: bytes, said: dict[str, str], *, layer: bool) -> Member:
    prefix = _text(block[345:500]) if block[257:263] == _POSIX else ""
    name = said.get("path") or (f"{prefix}/" if prefix else "") + _text(block[:100])
    hard = layer and kind == b"1"
    if not hard and (what := _REFUSED.get(kind)):
        raise Forbidden(name, f"is {what}")
    if not hard and kind not in (b"0", b"\0", b"5", b"2"):
        raise Forbidden(name, f"is of the unknown kind {kind!r}")
    link = hard or kind == b"2"
    target = (said.get("linkpath") or _text(block[157:257])) if link else ""
    size = _size(_number(block[124:136]), said.get("size"))
    if (size and (link or kind == b"5")) or link != bool(target):
        raise Malformed(f"has the entry {name!r} with a content or a target that such an entry can't have")
    folder = kind == b"5"
    return Member(name.removesuffix("/") if folder else name, folder, target, size, _number(block[100:108]), hard)


def _size(header: int, said: str | None) -> int:
    """Both may say it, if they say the same; the header has a 0 where it has no room."""
    if said is None:
        return header
    if not (said.isascii() and said.isdecimal() and len(said) <= 19) or header not in (0, int(said)):
        raise Malformed("says the size of an entry twice")
    return int(said)


def _number(field: bytes) -> int:
    """Octal digits; or binary, as GNU tar writes what is too long, and then never below zero."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if field[0] & 0x80 or digits.strip(b"01234567"):
        raise Malformed("has a header with a number that is none, or is below zero")
    return int(digits or b"0", 8)


def _text(field: bytes) -> str:
    text, _, rest = field.partition(b"\0")
    if rest.strip(b"\0"):
        raise Malformed("has a name that goes on after its end")
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise Malformed(f"has a name that is not in UTF-8: {text!r}") from None


def _records(text: bytes, layer: bool) -> list[tuple[str, str]]:
    """`LENGTH KEY=VALUE`, and a line feed; the length counts all of it."""
    found = []
    while text:
        digits, _, _ = text[:8].partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        record, text = text[:length], text[length:]
        key, equals, value = record[len(digits) + 1 : -1].partition(b"=")
        if not equals or len(record) != length or record[-1:] != b"\n":
            raise Malformed("has a pax header that can't be read")
        name = _text(key)
        if layer and name.startswith(_ATTRIBUTES):
            continue
        if b"\0" in value:
            raise Malformed("has a pax header that can't be read")
        if name not in _TRUSTED | _FAMILIAR:
            raise Malformed(f"has a pax header with {name!r}, which changes what is unpacked")
        if name in _TRUSTED:
            found.append((name, _text(value)))
    return found
