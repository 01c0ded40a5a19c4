"""Brings the wheels of an environment onto this host and makes it of them. Asks no index by itself; knows no store."""

import asyncio
import os
import re
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from beeyard.adapters.fetcher.words import worst
from beeyard.domain.packages import Description, Payload
from beeyard.ports.fetcher import Fetcher
from beeyard.ports.package_manager import Tell

if TYPE_CHECKING:
    from beeyard.adapters.wheels.environment import Fetched
    from beeyard.adapters.wheels.listing import Wheel
    from beeyard.adapters.wheels.shelf import Shelf, Version

_DIGEST = re.compile(r"(?<=@)[0-9a-f]{64}")
AT_ONCE = 3
"""Wheels that come at the same time."""


class Environments:
    """Of all packages; `root`: the folder on whose disk they are made."""

    def __init__(self, root: Path, fetcher: Fetcher) -> None:
        self._root = root
        self._fetcher = fetcher
        self._wanted: Counter[str] = Counter()

    @asynccontextmanager
    async def unpackable(
        self, shelf: "Shelf", version: "Version", tell: Tell
    ) -> AsyncIterator[tuple[Description, str]]:
        """What the environment is, and the archive of it, which has no name and is gone with this process. The wheels
        are thrown away afterwards unless something failed: then they need not be fetched again."""
        from beeyard.adapters.wheels.environment import packed

        digests = {one.sha256 for one in version.wheels}
        self._wanted.update(digests)
        done = False
        try:
            fetched = await self._fetched(shelf, version.wheels, tell)
            with tempfile.TemporaryFile(dir=self._root) as archive:
                files, said = await asyncio.to_thread(packed, fetched, shelf.python, archive)
                shelf.compare(version.wheels, said)
                manifest = shelf.described(version.manifest.name, version.wheels, said[0])
                archive.flush()
                payload = Payload(version.source, sum(os.stat(one.path).st_size for one in fetched), version.digest)
                yield Description(manifest, tuple(files), payload), f"/proc/{os.getpid()}/fd/{archive.fileno()}"
            done = True
        finally:
            self._wanted.subtract(digests)
            if done:
                await self.forget(version.source)

    async def forget(self, source: str) -> None:
        """Throw the wheels of a build away, but for those that another one just needs: it is installed, perhaps by a
        process that was killed then."""
        for digest in _DIGEST.findall(source):
            if not self._wanted[digest]:
                await asyncio.to_thread(self._fetcher.drop, digest)

    async def _fetched(self, shelf: "Shelf", wheels: "Sequence[Wheel]", tell: Tell) -> "list[Fetched]":
        from beeyard.adapters.wheels.environment import Fetched

        came: Counter[str] = Counter()
        asking = asyncio.Semaphore(AT_ONCE)

        async def bring(wheel: "Wheel") -> "Fetched":
            def count(done: int) -> None:
                came[wheel.sha256] = done
                tell(came.total())

            async with asking:
                source = shelf.source(wheel)
                return Fetched(wheel, await self._fetcher.fetch(source, wheel.size, wheel.sha256, count))

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(bring(one)) for one in wheels]
        except BaseExceptionGroup as several:
            raise worst(several.exceptions) from None
        return [task.result() for task in tasks]
