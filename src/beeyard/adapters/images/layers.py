"""The layers of images, brought here and made ready to be unpacked. Several images share layers: each comes once, and
stays as long as one of them needs it. Asks no registry by itself; knows no store.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from beeyard.adapters.fetcher.words import worst
from beeyard.adapters.images.described import settled
from beeyard.domain.packages import Description, Manifest, Payload
from beeyard.ports.fetcher import Fetcher
from beeyard.ports.package_manager import Tell

if TYPE_CHECKING:
    from beeyard.adapters.images.shelf import Image, Shelf

AT_ONCE = 3
"""Layers of an image that come at the same time."""


class Layers:
    """Of all images; `root` is the folder where plans lie for a moment."""

    def __init__(self, root: Path, fetcher: Fetcher) -> None:
        self._root = root
        self._fetcher = fetcher
        self._wanted: Counter[str] = Counter()

    @asynccontextmanager
    async def unpackable(
        self, shelf: "Shelf", image: "Image", manifest: Manifest, tell: Tell
    ) -> AsyncIterator[tuple[Description, str]]:
        """What the image would be here, and the file by which it is unpacked. Its layers are thrown away afterwards
        unless something failed: then they need not be fetched again."""
        from beeyard.adapters.images.unpacking import LayerFile, survey, write_plan

        digests = [layer.hex(shelf.spec.name) for layer in image.layers]
        self._wanted.update(set(digests))
        where = self._root / f"{image.sha256}.plan"
        done = False
        try:
            paths = await self._fetched(shelf, image, manifest, tell)
            layers = [
                LayerFile(paths[digest], layer.kind(shelf.spec.name), layer.size)
                for digest, layer in zip(digests, image.layers, strict=True)
            ]
            payload = Payload(f"{image.name}@sha256:{image.sha256}", image.size, image.sha256)
            found, plan = await survey(manifest, payload, layers)
            description = Description(settled(manifest, found.files), found.files, payload)
            yield description, await asyncio.to_thread(write_plan, plan, where)
            done = True
        finally:
            self._wanted.subtract(set(digests))
            where.unlink(missing_ok=True)
            for digest in set(digests) if done else ():
                if not self._wanted[digest]:
                    await asyncio.to_thread(self._fetcher.drop, digest)

    async def _fetched(self, shelf: "Shelf", image: "Image", manifest: Manifest, tell: Tell) -> dict[str, str]:
        """The files of the layers, by digest."""
        came: Counter[str] = Counter()
        asking = asyncio.Semaphore(AT_ONCE)
        sizes = {layer.hex(shelf.spec.name): layer.size for layer in image.layers}

        async def bring(digest: str) -> str:
            def count(done: int) -> None:
                came[digest] = done
                tell(came.total())

            async with asking:
                source = await shelf.registry.source(image.name, digest, f"{manifest.name} {manifest.version}")
                return await self._fetcher.fetch(source, sizes[digest], digest, count)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = {digest: group.create_task(bring(digest)) for digest in sizes}
        except BaseExceptionGroup as several:
            raise worst(several.exceptions) from None
        return {digest: task.result() for digest, task in tasks.items()}
