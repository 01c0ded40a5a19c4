"""What this owner knows of the containers of one engine: a record of each, by worker and attempt. Asks nobody."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from beeyard.adapters.providers.docker import cgroups
from beeyard.adapters.providers.docker.container import CREATED, PORTS
from beeyard.adapters.providers.docker.output import Output
from beeyard.domain.messages import Exit, Handle

PROVIDER = "docker"
HANDLE_VERSION = 1

Key = tuple[str, int]
"""Worker and attempt."""


class Known(Struct):
    """One attempt's container. `exit`: how it ended, once that was told; `suspect`: its end may be one for want of
    memory, which only another look tells; `killed`: by ourselves; `lost`: nobody can look at it just now, and that was
    told; `folders`: those of its control groups, where they can be read; `since`: wall-clock seconds when it was made.
    """

    id: str
    handle: Handle
    pid: int = 0
    exit: Exit | None = None
    paused: bool = False
    lost: bool = False
    suspect: bool = False
    killed: bool = False
    output: asyncio.Task[None] | None = None
    copy: Output | None = None
    folders: dict[str, Path] = {}
    since: float | None = None

    @property
    def lives(self) -> bool:
        """Whether it is not known to have ended."""
        return self.exit is None


def handle_of(found: Mapping[str, Any]) -> Handle:
    """What is kept of a container that the engine describes. Its process has a pid if it is one of this host."""
    labels = found["Config"]["Labels"]
    ports = msgspec.json.decode(labels.get(PORTS, "{}"), type=dict[str, int])
    pid = found["State"]["Pid"]
    state = {"id": found["Id"], **({"pid": pid} if cgroups.find(pid, found["Id"]) else {})}
    return Handle(PROVIDER, HANDLE_VERSION, state, ports)


def made(found: Mapping[str, Any]) -> float | None:
    """When it was, as its label says."""
    try:
        return float(found["Config"]["Labels"].get(CREATED, ""))
    except ValueError:  # Somebody else wrote there.
        return None
