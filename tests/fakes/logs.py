"""Logs that a test writes by hand."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from beeyard.ports.logs import LogLine, Stream


class FakeLogs:
    """`write` adds a line; those who follow get it at once. `removed` names the workers whose logs were deleted."""

    def __init__(self) -> None:
        self.lines: list[LogLine] = []
        self.removed: list[str] = []
        self._followers: list[asyncio.Queue[LogLine]] = []

    def write(self, worker: str, text: str, at: float | None, stream: Stream = "stdout") -> LogLine:
        """The worker says something."""
        line = LogLine(worker, stream, at, text)
        self.lines.append(line)
        for follower in self._followers:
            follower.put_nowait(line)
        return line

    async def tail(self, worker: str, lines: int, *, since: float | None = None) -> list[LogLine]:
        found = [line for line in self.lines if line.worker == worker]
        if since is not None:
            found = [line for line in found if line.at is None or line.at >= since]
        return found[-lines:] if lines > 0 else []

    async def follow(self, workers: Sequence[str], lines: int) -> AsyncGenerator[LogLine]:
        queue: asyncio.Queue[LogLine] = asyncio.Queue()
        self._followers.append(queue)
        try:
            for worker in workers:
                for line in await self.tail(worker, lines):
                    yield line
            while True:
                line = await queue.get()
                if line.worker in workers:
                    yield line
        finally:
            self._followers.remove(queue)

    async def remove(self, worker: str) -> None:
        self.removed.append(worker)
        self.lines = [line for line in self.lines if line.worker != worker]
