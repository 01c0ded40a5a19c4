"""Puts the papers of a build into a repository, after a look whether they are its own. Signs nothing."""

import hashlib
from pathlib import Path

from beeyard.adapters.repositories import layout
from beeyard.adapters.repositories.layout import Build
from beeyard.adapters.repositories.publishing import files
from beeyard.domain.errors import NotFound, Untrusted
from beeyard.domain.packages import Description
from beeyard.domain.papers import fault


def copy(folder: Path, build: Build, description: Description, beside: Path) -> None:
    """Those that lie `beside` the description. Raises NotFound; Untrusted: `payload_differs`, `paper_wrong`."""
    for paper in description.papers:
        file = beside / paper.name
        try:
            data = file.read_bytes()
        except OSError:
            raise missing(file) from None
        if (len(data), hashlib.sha256(data).hexdigest()) != (paper.size, paper.sha256):
            raise differs(file)
        if what := fault(description, paper.kind, data):
            text, hint = "{file} {what}", "make the package anew: beeyard package build"
            raise Untrusted("paper_wrong", text, file=str(file), what=what, hint=hint)
        files.write(folder / layout.TARGETS / build.paper(paper.kind, paper.sha256), data)


def missing(file: Path) -> NotFound:
    """A file of a build is not where its description is."""
    hint = "all files of a build lie side by side"
    return NotFound("no_such_file", "{file} is not there", file=str(file), hint=hint)


def differs(file: Path) -> Untrusted:
    """A file of a build is another one."""
    hint = "make all of its files anew: beeyard package build"
    return Untrusted("payload_differs", "{file} is not what its description says", file=str(file), hint=hint)
