"""Where the pump keeps the launcher's listening sockets, so that the next launcher finds them open.

Knows what was put there under which name, and nothing of what it is for.
"""

import os
from collections.abc import Iterator
from typing import Any

Entry = dict[str, Any]
"""What a launcher wants to know of a socket: `owner`, `name`, `wish`, `users`, `ready` (see `held`)."""


class Shelf:
    """Open files, each with what was said of it."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[Entry, int]] = {}

    def __iter__(self) -> Iterator[tuple[Entry, int]]:
        return iter(self._kept.values())

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, key: tuple[str, str]) -> bool:
        return key in self._kept

    def put(self, entry: Entry, fd: int) -> None:
        """Keep this one, instead of what lay there."""
        self.take_away(entry["owner"], entry["name"])
        self._kept[entry["owner"], entry["name"]] = entry, fd

    def take_away(self, owner: str, name: str) -> None:
        """Keep it no longer; harmless twice."""
        if (known := self._kept.pop((owner, name), None)) is not None:
            os.close(known[1])
