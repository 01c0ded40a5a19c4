"""A launcher that has no program but pipes: what goes into them is on file once it is drained."""

import asyncio
import os
from pathlib import Path
from typing import Any, cast

from beeyard.adapters.copying import STREAMS
from beeyard.adapters.host.launcher import LauncherClient
from beeyard.launcher.paths import Paths

MOST = 1 << 20


class Pipes:
    """As adapters.host.launcher.LauncherClient, as far as copying asks it."""

    def __init__(self, folder: Path) -> None:
        self.paths = Paths(str(folder))
        self.on_greeted: list[Any] = []
        self._fds: dict[tuple[str, str], int] = {}

    @property
    def client(self) -> LauncherClient:
        """For whoever takes a real one."""
        return cast(LauncherClient, self)

    async def request(self, kind: str, *, worker: str, **_: Any) -> None:
        """`pipes` and `drain`; nothing else is known here."""
        await asyncio.sleep(0)
        if kind == "pipes":
            os.makedirs(self.paths.worker_logs(worker), exist_ok=True)
            os.makedirs(self.paths.fifo, exist_ok=True)
            for stream in STREAMS:
                if (worker, stream) not in self._fds:
                    os.mkfifo(self.paths.worker_fifo(worker, stream))
                    self._fds[worker, stream] = os.open(
                        self.paths.worker_fifo(worker, stream), os.O_RDWR | os.O_NONBLOCK
                    )
        if kind == "drain":
            self.pump()

    def pump(self) -> None:
        """What is in the pipes now goes on file."""
        for (worker, stream), fd in self._fds.items():
            try:
                data = os.read(fd, MOST)
            except BlockingIOError:
                continue
            with open(self._log(worker, stream), "ab") as log:
                log.write(data)

    def logged(self, worker: str, stream: str = "stdout") -> bytes:
        """All of it, what waits in the pipe included."""
        self.pump()
        path = Path(self._log(worker, stream))
        return path.read_bytes() if path.exists() else b""

    def close(self) -> None:
        """Let go of the pipes."""
        for fd in self._fds.values():
            os.close(fd)

    def _log(self, worker: str, stream: str) -> str:
        return os.path.join(self.paths.worker_logs(worker), f"{stream}.log")
