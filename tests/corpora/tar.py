"""Tar archives byte by byte, so that they can be as wrong as anyone may make them."""

import hashlib
from collections.abc import Sequence

from beeyard.adapters.archives.codec import compressor
from beeyard.domain.packages import Description, FileEntry, Manifest, Payload

END = bytes(1024)


def block(
    name: str | bytes,
    kind: bytes = b"0",
    *,
    size: int | bytes = 0,
    mode: int = 0o444,
    target: str = "",
    magic: bytes = b"ustar\x0000",
    prefix: str = "",
) -> bytes:
    """A header, with a right checksum whatever it holds."""
    fields = [
        (name if isinstance(name, bytes) else name.encode()).ljust(100, b"\0"),
        b"%07o\0" % mode,
        b"0000000\0" * 2,
        size if isinstance(size, bytes) else b"%011o\0" % size,
        b"00000000000\0",
        b" " * 8,
        kind,
        target.encode().ljust(100, b"\0"),
        magic.ljust(8, b"\0"),
        bytes(64 + 16),
        prefix.encode().ljust(155, b"\0"),
    ]
    made = b"".join(fields).ljust(512, b"\0")
    assert len(made) == 512
    return made[:148] + b"%06o\0 " % sum(made) + made[156:]


def padded(content: bytes) -> bytes:
    """Up to the next block."""
    return content + bytes(-len(content) % 512)


def file(name: str, content: bytes = b"", *, mode: int = 0o444) -> bytes:
    """A file."""
    return block(name, size=len(content), mode=mode) + padded(content)


def link(name: str, target: str) -> bytes:
    """A symbolic link."""
    long = gnu(b"K", target) if len(target) > 100 else b""
    return long + block(name, b"2", target=target[:100], mode=0o777)


def pax(kind: bytes = b"x", **records: str) -> bytes:
    """A pax header before an entry; a `_` in a key is a dot."""
    content = b""
    for key, value in records.items():
        rest = f" {key.replace('_', '.')}={value}\n".encode()
        length = len(rest)
        while length != len(rest) + len(str(length)):
            length = len(rest) + len(str(length))
        content += str(length).encode() + rest
    return block("pax", kind, size=len(content)) + padded(content)


def gnu(kind: bytes, text: str) -> bytes:
    """A long name (L) or a long target (K) before an entry."""
    content = text.encode() + b"\0"
    return block("././@LongLink", kind, size=len(content)) + padded(content)


def squeezed(content: bytes) -> bytes:
    """Compressed, as packages are."""
    squeeze = compressor()
    return squeeze.compress(content) + squeeze.flush()


def listed(path: str, content: bytes = b"", *, executable: bool = False) -> FileEntry:
    """A file in the signed list."""
    return FileEntry(path, len(content), hashlib.sha256(content).hexdigest(), executable)


def linked(path: str, target: str) -> FileEntry:
    """A link in the signed list."""
    return FileEntry(path, link=target)


def described(payload: bytes, files: Sequence[FileEntry]) -> Description:
    """What a publisher signed of these bytes."""
    digest = hashlib.sha256(payload).hexdigest()
    return Description(Manifest("tool", "1.0"), tuple(files), Payload("tool.tar.zst", len(payload), digest))
