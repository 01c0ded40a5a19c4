"""Debian's packages in a package that was made of an unpacked one: by the copyright files that each of them has."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from beeyard.adapters.papers.parts import Part
from beeyard.domain.packages import FileEntry

_PLACE = re.compile(r"(?:.*/)?usr/share/doc/([a-z0-9][a-z0-9+.-]+)/copyright")
_LICENSE = re.compile(r"^License:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
MOST = 2**20
"""Bytes of one file that are read."""


def find(folder: Path, files: Sequence[FileEntry]) -> Iterator[Part]:
    """See finding.Find. Only what is machine-readable names its licenses, and none of it the version."""
    for file in files:
        if (found := _PLACE.fullmatch(file.path)) and not file.link:
            with (folder / file.path).open("rb") as stream:
                text = stream.read(MOST).decode(errors="replace")
            licenses = tuple(sorted(set(_LICENSE.findall(text))))
            yield Part(found[1], "", f"pkg:deb/debian/{found[1]}", (file.path,), licenses)
