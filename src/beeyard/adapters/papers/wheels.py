"""Python's packages in a package: unpacked, by their `.dist-info/METADATA`, or still as wheels."""

import email
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from packaging.utils import canonicalize_name

from beeyard.adapters.papers.parts import Part
from beeyard.domain.packages import FileEntry

METADATA = ".dist-info/METADATA"
MOST = 2**20
"""Bytes of one METADATA that are read."""
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    OSError,
    EOFError,
    RuntimeError,  # NotImplementedError too: in a way that it does not know
    ValueError,
)
"""What reading an archive raises that is none, or not whole."""


def find(folder: Path, files: Sequence[FileEntry]) -> Iterator[Part]:
    """See finding.Find."""
    for file in files:
        if file.path.endswith(METADATA) and not file.link:
            with (folder / file.path).open("rb") as stream:
                yield from _part(stream.read(MOST), file.path)
        elif file.path.endswith(".whl") and not file.link:
            yield from _packed(folder, file.path)


def _packed(folder: Path, path: str) -> Iterator[Part]:
    try:
        with zipfile.ZipFile(folder / path) as wheel:
            for name in sorted(wheel.namelist()):
                if name.endswith(METADATA) and name.count("/") == 1:
                    with wheel.open(name) as stream:
                        yield from _part(stream.read(MOST), path)
    except _DAMAGED:  # it only has a wheel's name
        return


def _part(data: bytes, path: str) -> Iterator[Part]:
    told = email.message_from_bytes(data)
    name, version = str(told.get("Name", "")).strip(), str(told.get("Version", "")).strip()
    if not name or not version:
        return
    expression = str(told.get("License-Expression", "")).strip()
    license = str(told.get("License", "")).strip().partition("\n")[0]
    licenses = (license,) if license and not expression else ()
    purl = f"pkg:pypi/{canonicalize_name(name)}@{quote(version, safe='')}"
    yield Part(name, version, purl, (path,), licenses, expression)
