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

    @property
    def following(self) -> int:
        """How many read on now."""
        return len(self._followers)

    def write(self, worker: str, text: str, at: float | None, stream: Stream = "stdout") -> LogLine:
        """The worker says something."""
        line = LogLine(worker, stream, at, text)
        self.lines.append(line)
        for follower in self._followers:
            follower.put_nowait(line)
        return line

    async def tail(self, worker: str, lines: int, *, since: float | None = None) -> list[LogLine]:
        return _newest(self.lines, worker, lines, since)

    async def end(self, worker: str) -> str:
        """A text that stands for how many lines there are."""
        return f"end:{len(self.lines)}"

    async def read(
        self,
        workers: Sequence[str],
        lines: int,
        *,
        follow: bool = False,
        stream: Stream | None = None,
        since: float | None = None,
        after: str | None = None,
    ) -> AsyncGenerator[list[LogLine]]:
        """`after` is the text of the last line that was read, or what `end` said."""
        queue: asyncio.Queue[LogLine] = asyncio.Queue()
        self._followers.append(queue)

        def wanted(line: LogLine) -> bool:
            return line.worker in workers and stream in (None, line.stream)

        try:
            found = [line for line in self.lines if wanted(line)]
            if after is not None and after.startswith("end:"):
                found = [line for line in self.lines[int(after.removeprefix("end:")) :] if wanted(line)]
            elif after is not None:
                found = found[[line.text for line in found].index(after) + 1 :]
            else:
                found = [line for name in workers for line in _newest(found, name, lines, since)]
            yield sorted(found, key=lambda line: line.at or 0.0)
            while follow:
                line = await queue.get()
                if wanted(line):
                    yield [line]
        finally:
            self._followers.remove(queue)

    async def remove(self, worker: str) -> None:
        self.removed.append(worker)
        self.lines = [line for line in self.lines if line.worker != worker]


def _newest(lines: Sequence[LogLine], worker: str, count: int, since: float | None) -> list[LogLine]:
    found = [line for line in lines if line.worker == worker]
    if since is not None:
        found = [line for line in found if line.at is None or line.at >= since]
    return found[-count:] if count > 0 else []
