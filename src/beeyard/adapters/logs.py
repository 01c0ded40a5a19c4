"""What workers wrote, read from the files that the pump leaves; both streams merged by time.

Knows waiting, merging and threads; how the files lie is `log_files`' matter. Every look at a file happens in a thread:
a slow disk must not hold up the master.
"""

import asyncio
import shutil
import threading
import time
from collections.abc import AsyncGenerator, Sequence
from heapq import merge
from pathlib import Path
from typing import Protocol

from beeyard.adapters.log_files import Line, LogFollower
from beeyard.ports.logs import LogLine, Stream

POLL = 0.1
"""Seconds between two looks for new lines."""

OLD = 1.0
"""Seconds after which an unfinished line is given out as it is."""

BLOCKS = 4
"""Blocks of one stream read at a time, so that one chatty worker does not hide the others."""

STREAMS: tuple[Stream, ...] = ("stdout", "stderr")


class LogFolders(Protocol):
    """Where a worker's logs lie: the launcher's `Paths`, which adapters do not import."""

    def worker_logs(self, worker: str) -> str:
        """The log folder of one worker."""
        ...


class FileLogs:
    """The log files of one state folder."""

    def __init__(self, paths: LogFolders) -> None:
        self._paths = paths

    async def tail(self, worker: str, lines: int, *, since: float | None = None) -> list[LogLine]:
        """The newest lines of both streams, oldest first; with `since`, only those known to be from then or later."""
        return await asyncio.to_thread(self._tail, worker, lines, since)

    async def follow(self, workers: Sequence[str], lines: int) -> AsyncGenerator[LogLine]:
        """The newest lines of each, then every line as it comes, across rotations, until closed."""
        reading = _Reading(self._paths, workers)
        try:
            for line in await asyncio.to_thread(reading.begin, lines):
                yield line
            while True:
                found = await asyncio.to_thread(reading.go_on)
                for line in found:
                    yield line
                if not found:
                    await asyncio.sleep(POLL)
        finally:
            reading.close()

    async def remove(self, worker: str) -> None:
        """Delete a removed worker's log folder; harmless twice."""
        await asyncio.to_thread(shutil.rmtree, self._paths.worker_logs(worker), ignore_errors=True)

    def _tail(self, worker: str, lines: int, since: float | None) -> list[LogLine]:
        reading = _Reading(self._paths, [worker])
        try:
            found = reading.begin(lines, unfinished=True)
        finally:
            reading.close()
        return [line for line in found if since is None or (line.at is not None and line.at >= since)]


class _Followed:
    """One stream of one worker while it is followed."""

    def __init__(self, folder: str, worker: str, stream: Stream) -> None:
        self.worker = worker
        self.stream = stream
        self.reader = LogFollower(str(Path(folder, stream)))
        self.grown = time.monotonic()

    def new_lines(self) -> list[Line]:
        lines: list[Line] = []
        for _ in range(BLOCKS):
            read = self.reader.advance()
            if read is None:
                if self.reader.cutter.holds and time.monotonic() - self.grown >= OLD:
                    lines += self.reader.cutter.release()
                break
            self.grown = time.monotonic()
            lines += read
        return lines

    def named(self, lines: list[Line]) -> list[LogLine]:
        return [LogLine(self.worker, self.stream, line.at, line.text) for line in lines]


class _Reading:
    """All streams that one caller reads. Used in one thread after another; `close` waits for the one still at it."""

    def __init__(self, paths: LogFolders, workers: Sequence[str]) -> None:
        self._lock = threading.Lock()
        self._closed = False
        self._workers = [
            [_Followed(paths.worker_logs(worker), worker, stream) for stream in STREAMS] for worker in workers
        ]

    def begin(self, lines: int, *, unfinished: bool = False) -> list[LogLine]:
        """The newest lines of each worker; those `unfinished` are else left to `go_on`."""
        found: list[list[LogLine]] = []
        with self._lock:
            for streams in self._workers:
                rows = []
                for followed in streams if not self._closed else ():
                    row = followed.reader.begin(lines)
                    if unfinished:
                        row += followed.reader.cutter.release()
                    rows.append(followed.named(row))
                newest = _merged(rows)
                found.append(newest[max(0, len(newest) - lines) :])
        return _merged(found)

    def go_on(self) -> list[LogLine]:
        """The lines that came since."""
        with self._lock:
            if self._closed:
                return []
            return _merged([followed.named(followed.new_lines()) for streams in self._workers for followed in streams])

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for streams in self._workers:
                for followed in streams:
                    followed.reader.close()


def _merged(rows: list[list[LogLine]]) -> list[LogLine]:
    """One row, by time; each row's own order stands, and a line of unknown time stays behind the one before it."""
    timed: list[list[tuple[float, LogLine]]] = []
    for row in rows:
        latest = 0.0
        timed.append([])
        for line in row:
            latest = max(latest, line.at or 0.0)
            timed[-1].append((latest, line))
    return [line for _, line in merge(*timed, key=lambda pair: pair[0])]
