"""Who installs on this host just now, told by the locks that dpkg and rpm take; and waiting until nobody does."""

import asyncio
import fcntl
import logging
import os
import struct
import time
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from beeyard.domain.errors import Unavailable
from beeyard.ports.package_manager import Tell

PATIENCE = 60.0
"""Seconds that somebody else may install while we wait."""
TICK = 0.2
"""Seconds between two looks: a lock tells nobody that it was given back."""
_FLOCK = "hhqqi4x"

log = logging.getLogger("beeyard")


class Holder(Struct, frozen=True):
    """A process that has a lock; pid 0 where that can't be told."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})" if self.pid else "another process"


def holder(lock: Path) -> Holder | None:
    """None: nobody has it, or it can't be told; who installs is told why it can't."""
    asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        with lock.open("rb") as file:
            kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, asked))
    except OSError:
        return None
    if kind == fcntl.F_UNLCK:
        return None
    try:
        return Holder(pid, Path(f"/proc/{pid}/comm").read_text().strip())
    except OSError:
        return Holder(0, "")


async def free(
    locks: Sequence[Path], named: str, tell: Tell = lambda said: None, does: str = "installs packages on this host"
) -> None:
    """Until nobody `does` so; who does is told meanwhile. Raises Unavailable when that lasts too long."""
    until, before = time.monotonic() + PATIENCE, None
    while (found := next(filter(None, map(holder, locks)), None)) is not None:
        if found != before:
            log.warning("%s waits up to %g s: %s %s", named, PATIENCE, found, does)
            tell(f"{found} {does}")
        if time.monotonic() >= until:
            text, hint = "{package}: {holder} {does}", "it is tried again when that is done"
            raise Unavailable("system_locked", text, hint=hint, package=named, holder=str(found), does=does)
        before = found
        await asyncio.sleep(TICK)
    if before is not None:
        tell("")
