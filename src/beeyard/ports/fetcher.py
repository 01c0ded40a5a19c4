"""Brings one file of known size and digest from somewhere else; packages and models come so.

Resumable: what an earlier try brought is kept and gone on with. Bounded: it ends, well or not, for it insists on a
minimum speed, and takes no byte more than it was promised.
"""

from collections.abc import Callable
from typing import Protocol

from beeyard.ports.repository import Source

MISSING = "download_missing"
"""The code of what is raised where a file just is not there."""

Tell = Callable[[int], None]
"""Bytes that are there so far."""


class Fetcher(Protocol):
    """Downloads into a folder of its own."""

    async def fetch(self, source: Source, size: int, sha256: str, tell: Tell) -> str:
        """The path of the whole, verified file, which stays until `drop`. Harmless twice, and by several processes.

        Cancelled, what came so far is kept.

        Raises:
            Unavailable: it could not be had now: no answer, too slow, cut off too often.
            Untrusted: what came is not what was promised; it was thrown away.
            Rejected: the server refused, has no such file (`MISSING`), or there is no room; the text says which.
        """
        ...

    def drop(self, sha256: str) -> None:
        """Forget a file, whole or not."""
        ...

    def sweep(self) -> None:
        """Throw away what nobody went on with for long. Once a start."""
        ...
