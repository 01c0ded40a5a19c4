"""All parts of a package, whoever finds them. One way to find more is one more line here."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace

from beeyard.adapters.papers import debs, go, wheels
from beeyard.adapters.papers.parts import Part
from beeyard.domain.packages import FileEntry

Find = Callable[[Path, Sequence[FileEntry]], Iterator[Part]]
"""Parts of the files below a folder, each as often as it is found. What can't be read tells of none."""
FINDERS: tuple[Find, ...] = (wheels.find, go.find, debs.find)


def parts(folder: Path, files: Sequence[FileEntry]) -> list[Part]:
    """All that can be found, each once, by name."""
    found: dict[str, Part] = {}
    for part in (part for find in FINDERS for part in find(folder, files)):
        before = found.get(part.purl)
        places = tuple(sorted({*(before.places if before else ()), *part.places}))
        found[part.purl] = replace(before or part, places=places)
    return [found[purl] for purl in sorted(found)]
