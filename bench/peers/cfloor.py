"""`cfloor`: what the machine allows. C that spawns, respawns, copies, rotates, stops; no state, no API."""

from pathlib import Path
from typing import ClassVar

from bench.peers.foreground import Foreground
from bench.peers.port import Job


class CFloor(Foreground):
    """The floor."""

    name: ClassVar = "cfloor"
    tool: ClassVar = "cfloor"
    version_words: ClassVar[tuple[str, ...]] = ()

    def __init__(self, tool: Path, job: Job) -> None:
        numbers = (str(job.rotate_mb << 20), str(job.backups), str(job.workers))
        super().__init__([tool, job.logs, *numbers, job.program, job.stamps, *job.arguments], job)
