"""One start of one peer, from an empty folder to nothing left: it starts, is waited for, and is cleared away.

Every wait has a limit. Whatever happens inside, leaving the session ends each process that was started in it and
removes its files.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from bench import processes
from bench.cpu import Group, Others
from bench.peers.port import CommandFailed, Job, Peer
from bench.stamps import Field, Stamps, now_ns

_LOOK_S = 0.004
_SHARED_MEMORY = Path("/dev/shm")


class PhaseTimeout(Exception):
    """A phase did not end within its limit."""


@dataclass(frozen=True)
class Scratch:
    """The folders of one run: on disk, for what peers write, and in memory, for stamps."""

    disk: Path
    memory: Path

    @classmethod
    @contextmanager
    def lent(cls, parent: Path | None) -> Iterator[Self]:
        """Two new folders that are gone afterwards."""
        with ExitStack() as lent:
            disk = Path(lent.enter_context(tempfile.TemporaryDirectory(prefix="beeyard-bench-", dir=parent)))
            home = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else disk
            memory = Path(lent.enter_context(tempfile.TemporaryDirectory(prefix="beeyard-bench-", dir=home)))
            yield cls(disk, memory)


class Session:
    """A peer with its workers, their stamps, and a control group that counts the CPU time of all of it."""

    def __init__(self, peer: type[Peer], tool: Path, scratch: Scratch, job: Callable[[Path, Path], Job]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"{peer.name[0]}-", dir=scratch.disk))
        name = f"{scratch.disk.name}-{self.folder.name}"
        self.job = job(self.folder, scratch.memory / name)
        self.job.logs.mkdir()
        self.peer = peer(tool, self.job)
        self.stamps = Stamps(self.job.stamps, self.job.workers)
        self.group = Group.made(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        stubborn = processes.end_descendants()
        for command in self.peer.running():
            command.poll()
        self.group.remove()
        self.stamps.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        if stubborn:
            print(f"could not end: {', '.join(map(str, stubborn))}")

    def until(self, done: Callable[[], bool], what: str, limit_s: float, look_s: float = _LOOK_S) -> None:
        """Waits until `done`, reaping what comes back to us on the way: a peer may look whether its pid is gone."""
        deadline = time.monotonic() + limit_s
        while not done():
            if time.monotonic() > deadline:
                raise PhaseTimeout(f"{what}: not done after {limit_s:.0f} s{self._last_words()}")
            time.sleep(look_s)
            self.reap()

    def reap(self) -> None:
        """Takes exit statuses: of commands for their owners, of orphans for nobody; a failed command is an error."""
        commands = self.peer.running()
        for command in commands:
            if command.poll():
                assert isinstance(command.args, list)
                name = Path(command.args[0]).name
                raise CommandFailed(f"`{name}` ended with exit code {command.returncode}{self._last_words()}")
        processes.reap({command.pid for command in commands if command.returncode is None})

    def worker_pids(self) -> list[int]:
        """The pids of the present incarnations, by slot."""
        return self.stamps.all(Field.PID)

    def cpu_ns(self) -> int:
        """CPU time so far: the group's, or else that of the supervisor's and the workers' living threads."""
        used = self.group.used_ns()
        return processes.cpu_ns([*self.peer.pids(), *self.worker_pids()]) if used is None else used

    def others(self) -> Others:
        """Begins to watch what the rest of the machine does; the harness's own time is not part of the rest."""
        return Others(lambda: (self.group.used_ns() or 0) + time.process_time_ns())

    def let_live(self, slot: int, age_s: float) -> None:
        """Waits until a worker is this old: some peers delay what dies young."""
        began = self.stamps.get(slot, Field.STARTED)
        time.sleep(max(0.0, age_s - (now_ns() - began) / 1e9))

    def _last_words(self) -> str:
        console = self.folder / "console"
        lines = console.read_text(errors="replace").strip().splitlines() if console.exists() else []
        return f"; it last said: {' | '.join(lines[-3:])[-600:]}" if lines else ""
