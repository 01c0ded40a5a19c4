"""What asks for the wheels of one repository: its index, the Python that they are for, and how one is read whole."""

import asyncio
from pathlib import Path

from beeyard.adapters.wheels.about import About, about
from beeyard.adapters.wheels.index import FolderIndex, Index, WebIndex
from beeyard.adapters.wheels.interpreter import interpreter
from beeyard.adapters.wheels.listing import Wheel
from beeyard.adapters.wheels.shelf import Shelf
from beeyard.domain.packages import Platform
from beeyard.domain.sources import RepositorySpec
from beeyard.ports.fetcher import Fetcher
from beeyard.ports.resolver import Resolver


async def opened(spec: RepositorySpec, platform: Platform, resolver: Resolver, fetcher: Fetcher) -> Shelf:
    """For a repository with its secrets. Raises Unavailable: `python_missing`."""
    index: Index = WebIndex(spec) if spec.url else FolderIndex(spec)

    async def whole(wheel: Wheel) -> About:
        """It stays here: it may be installed next."""
        path = await fetcher.fetch(index.source(wheel), wheel.size, wheel.sha256, lambda done: None)
        return await asyncio.to_thread(_read, path)

    return Shelf(spec, index, await interpreter(spec.python), platform, resolver, whole)


def _read(path: str) -> About:
    with Path(path).open("rb") as file:
        return about(file)
