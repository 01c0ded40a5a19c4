"""A package file of a distribution, brought here and looked through, to be unpacked as one layer of an image is.

Its own scripts are not run, and what it holds is listed by the sandboxed child before anything is written.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from beeyard.adapters.system.build import Build, Tool, manifest
from beeyard.domain.file_list import RATIO, RATIO_FROM
from beeyard.domain.packages import Description, Payload
from beeyard.domain.sources import Credentials
from beeyard.ports.fetcher import Fetcher
from beeyard.ports.package_manager import Tell
from beeyard.ports.repository import Source


class PackageFiles:
    """Those that a tool understands; `root` is where their archives lie for a moment."""

    def __init__(self, root: Path, fetcher: Fetcher, tool: Tool) -> None:
        self._root = root
        self._fetcher = fetcher
        self._tool = tool

    @asynccontextmanager
    async def unpackable(
        self, build: Build, credentials: Credentials, tell: Tell
    ) -> AsyncIterator[tuple[Description, str]]:
        """What it would be here, and the file by which it is unpacked. The package file is thrown away afterwards
        unless something failed: then it need not be fetched again."""
        from beeyard.adapters.images.unpacking import LayerFile, survey, write_plan  # Only who installs needs these.
        from beeyard.adapters.repositories import access

        named = f"{build.name} {build.theirs}"
        shown = access.headers(credentials, build.url)
        source = Source(build.url, shown, credentials.certificate, credentials.key, named)
        tar, where = (self._root / f"{build.sha256}.{kind}" for kind in ("tar", "plan"))
        done = False
        try:
            file = await self._fetcher.fetch(source, build.size, build.sha256, tell)
            await self._tool.tar(Path(file), tar, max(RATIO_FROM, build.size * RATIO))
            layer = LayerFile(str(tar), "tar", tar.stat().st_size)
            payload = Payload(f"{build.name}_{build.theirs}_{build.arch}", build.size, build.sha256)
            found, plan = await survey(build.manifest, payload, [layer])
            paths = [file.path for file in found.files]
            said = manifest(build.name, build.version, build.platform, build.description, paths)
            description = Description(said, found.files, payload)
            yield description, await asyncio.to_thread(write_plan, plan, where)
            done = True
        finally:
            for one in (tar, where):
                one.unlink(missing_ok=True)
            if done:
                await self.forget(build.sha256)

    async def forget(self, sha256: str) -> None:
        """What an earlier try brought of it, if there was one."""
        await asyncio.to_thread(self._fetcher.drop, sha256)
