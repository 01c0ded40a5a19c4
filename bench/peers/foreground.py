"""What supervisors have in common that run in the foreground: the command is the supervisor, SIGTERM stops it all."""

import signal
import subprocess
from pathlib import Path

from bench.peers.port import Job, launch, rotated


class Foreground:
    """One supervisor process, started as a child."""

    def __init__(self, command: list[str | Path], job: Job) -> None:
        self._command = command
        self._job = job
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the supervisor."""
        self._process = launch(self._command, self._job.folder)

    def settle(self) -> None:
        """The command does not end, so there is nothing to wait for."""

    def pids(self) -> list[int]:
        """The one supervisor process."""
        return [self._process.pid] if self._process else []

    def stop(self) -> None:
        """SIGTERM, the cheapest way to say it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def control(self) -> Path | None:
        """Nobody asks."""
        return None

    def running(self) -> list[subprocess.Popen[bytes]]:
        """The supervisor itself."""
        return [self._process] if self._process else []

    def log_files(self, worker: int) -> list[Path]:
        """`w<N>.log` and its rotated files."""
        return rotated(self._job.logs / f"w{worker}.log")
