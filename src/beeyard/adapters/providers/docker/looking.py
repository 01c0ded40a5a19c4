"""What one look at a container that runs shows: what it uses, and whether all it wrote so far is here."""

import asyncio
import contextlib

from beeyard.adapters.copying import Copying, quiet
from beeyard.adapters.providers.docker import cgroups, stats
from beeyard.adapters.providers.docker.engine import Engine
from beeyard.adapters.providers.docker.frames import Frames, stamped
from beeyard.adapters.providers.docker.known import Known
from beeyard.domain.errors import BeeyardError
from beeyard.domain.watching import Measure

SAID = 2.0
"""Seconds that what a running one wrote until now may take to be copied."""
LAST_WORDS = 60.0
"""Seconds that what an ended one wrote may take to be copied, before its container is removed all the same."""
TOLD = 2.0
"""Seconds that the engine may take to tell what one uses."""


async def measure(engine: Engine, known: Known) -> Measure | None:
    """From its control groups where they can be read, else from the engine. None of one that is gone, or that nobody
    can look at just now."""
    if not known.folders:
        known.folders = await asyncio.to_thread(cgroups.find, known.pid, known.id)
    if known.folders:
        return await asyncio.to_thread(cgroups.measure, known.folders)
    with contextlib.suppress(BeeyardError, TimeoutError):
        async with asyncio.timeout(TOLD):
            params = {"stream": "0", "one-shot": "1"}
            return stats.measure(await engine.ask("GET", f"containers/{known.id}/stats", params=params))
    return None


async def caught_up(engine: Engine, known: Known) -> None:
    """Until what it wrote so far was copied, or too long."""
    if known.output is None or known.copy is None:
        return
    if known.exit is not None:
        await quiet(known.output, LAST_WORDS)
        return
    with contextlib.suppress(BeeyardError, TimeoutError):
        async with asyncio.timeout(SAID):
            await _until_now(engine, known.id, known.copy.copying)


async def _until_now(engine: Engine, container: str, copying: Copying) -> None:
    params = {"stdout": "1", "stderr": "1", "timestamps": "1", "tail": "1"}
    data = await engine.ask("GET", f"containers/{container}/logs", params=params)
    for stream, payload in Frames().feed(data or b""):
        while copying.latest.get(stream, "") < stamped(payload)[0]:
            copying.moved.clear()
            await copying.moved.wait()
