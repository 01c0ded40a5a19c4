"""Unpacks an environment as any package, and sets the one link that leads out of it: to the Python of this host."""

import asyncio
from pathlib import Path

from msgspec.structs import replace

from beeyard.adapters.archives import unpack as archives
from beeyard.domain.packages import Description


async def unpack(payload: str, description: Description, into: str) -> None:
    """For a store; `into` is empty. Raises as that of any package."""
    outer = [entry for entry in description.files if entry.link.startswith("/")]
    inner = tuple(entry for entry in description.files if entry not in outer)
    await archives.unpack(payload, replace(description, files=inner), into)

    def link() -> None:
        for entry in outer:
            path = Path(into, entry.path)
            mode = path.parent.stat().st_mode
            path.parent.chmod(0o700)
            path.symlink_to(entry.link)
            path.parent.chmod(mode)

    await asyncio.to_thread(link)
