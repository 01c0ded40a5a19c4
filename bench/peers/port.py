"""What every peer can do, and the same duty for all: run N workers, start again what dies, keep what they print.

A peer is told to start and to stop; everything else about it is observed from outside. Each one captures standard
output into one file a worker and rotates it by size. Standard error, which no worker uses, goes the cheapest way the
peer knows, so that this favours the peers and not Beeyard.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol


@dataclass(frozen=True)
class Job:
    """What a peer is asked to run."""

    folder: Path
    program: Path
    stamps: Path
    workers: int
    arguments: tuple[str, ...] = ()
    rotate_mb: int = 50
    backups: int = 30

    @property
    def logs(self) -> Path:
        """Where a peer that can be told puts its log files; it exists."""
        return self.folder / "logs"

    def command(self, worker: int) -> list[str]:
        """The command line of one worker."""
        return [str(self.program), *self.words(worker)]

    def words(self, worker: int) -> list[str]:
        """The arguments of one worker."""
        return [str(self.stamps), str(worker), *self.arguments]


@dataclass(frozen=True)
class Tools:
    """Where the peers' programs are: beside this interpreter, in the folders given, then on PATH."""

    folders: tuple[Path, ...]
    cfloor: Path

    def find(self, name: str) -> Path | None:
        """The path of a program, or None."""
        if name == "cfloor":
            return self.cfloor
        for folder in (*self.folders, Path(sys.executable).parent):
            if (folder / name).exists():
                return folder / name
        found = shutil.which(name)
        return Path(found) if found else None


class Peer(Protocol):
    """A supervisor in the race. One object is one start of it; it is never used again after `stop`."""

    name: ClassVar[str]
    tool: ClassVar[str]
    """The program that must be found."""
    version_words: ClassVar[tuple[str, ...]]
    """Arguments that make the program print its version; () if it has none."""

    def __init__(self, tool: Path, job: Job) -> None:
        """Writes the configuration; starts nothing."""

    def start(self) -> None:
        """Gives the start command and returns at once."""

    def settle(self) -> None:
        """Called when every worker has started: waits for the start command, if it is one that ends."""

    def pids(self) -> list[int]:
        """The supervisor's own processes."""
        ...

    def stop(self) -> None:
        """Gives the command that stops every worker and the supervisor, and returns at once."""

    def running(self) -> list[subprocess.Popen[bytes]]:
        """Commands of ours that the harness must wait for."""
        ...

    def log_files(self, worker: int) -> list[Path]:
        """The log files of a worker that exist, oldest first."""
        ...

    def control(self) -> Path | None:
        """The unix socket at which it says how its workers are; None of one that we do not ask."""
        ...


class CommandFailed(Exception):
    """A peer's command ended with an error."""


def launch(command: Sequence[str | Path], folder: Path) -> subprocess.Popen[bytes]:
    """Starts a command in a session of its own (Ctrl-C is for the harness); what it says goes into `console`."""
    with (folder / "console").open("ab") as console:
        return subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            cwd=folder,
            start_new_session=True,
        )


def rotated(newest: Path) -> list[Path]:
    """`newest` with its rotated files `newest.1`, `newest.2` …, oldest first."""
    files = [newest] if newest.exists() else []
    older = newest.parent.glob(f"{newest.name}.*")
    numbered = sorted((int(path.suffix[1:]), path) for path in older if path.suffix[1:].isdigit())
    return [path for _, path in reversed(numbered)] + files
