"""Makes small packages for tests, and unpacks them honestly: neither knows how to be hostile."""

import hashlib
import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

from beeyard.domain.packages import Description, FileEntry, Manifest, Payload, ProcessEntry
from beeyard.domain.values import Memory

Content = bytes | str | tuple[bytes]
"""A file; where a link leads; a program."""

FILES: Mapping[str, Content] = {
    "README": b"read me\n",
    "bin/serve": (b"#!/bin/sh\nexec sleep 1000\n",),
    "bin/start": "serve",
    "share/empty": b"",
    "share/deep/data": b"\0\1\2" * 3000,
}


def a_package(
    folder: Path,
    version: str = "1.0.0",
    files: Mapping[str, Content] = FILES,
    *,
    name: str = "caddy",
    min_disk: int = 0,
    described: Mapping[str, Content] | None = None,
) -> tuple[Description, str]:
    """Its description, and the payload it lies in. What is `described` may differ from what is packed."""
    payload = _packed({**files, "VERSION": version.encode()})
    path = folder / f"{name}-{version}-any.tar"
    path.write_bytes(payload)
    manifest = Manifest(name, version, process=ProcessEntry("bin/serve"), min_disk=Memory(min_disk))
    told = {**(files if described is None else described), "VERSION": version.encode()}
    entries = tuple(_entry(one, told[one]) for one in sorted(told))
    return Description(manifest, entries, Payload(path.name, len(payload), hashlib.sha256(payload).hexdigest())), str(
        path
    )


async def unpack(payload: str, description: Description, into: str) -> None:
    """As the real one does, but trusting: into an empty folder, syncing nothing."""
    with tarfile.open(payload) as archive:
        for member in archive:
            path = os.path.join(into, member.name)
            _make_folders(into, os.path.dirname(member.name))
            if member.issym():
                os.symlink(member.linkname, path)
                continue
            file = archive.extractfile(member)
            assert file is not None
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, member.mode)
            try:
                rest = file.read()
                while rest:
                    rest = rest[os.write(fd, rest) :]
            finally:
                os.close(fd)


def _make_folders(into: str, inside: str) -> None:
    if inside and not os.path.isdir(os.path.join(into, inside)):
        _make_folders(into, os.path.dirname(inside))
        os.mkdir(os.path.join(into, inside))


def _packed(files: Mapping[str, Content]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, content in sorted(files.items()):
            member = tarfile.TarInfo(path)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
                continue
            member.mode = 0o755 if isinstance(content, tuple) else 0o644
            data = content[0] if isinstance(content, tuple) else content
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def _entry(path: str, content: Content) -> FileEntry:
    if isinstance(content, str):
        return FileEntry(path, link=content)
    data = content[0] if isinstance(content, tuple) else content
    return FileEntry(path, len(data), hashlib.sha256(data).hexdigest(), executable=isinstance(content, tuple))
