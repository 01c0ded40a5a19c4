"""What workers wrote, read from the files that the pump leaves; both streams merged by time.

Knows waiting, merging and threads; how the files lie is `log_files`' matter. Every look at a file happens in a thread:
a slow disk must not hold up the master.
"""

import asyncio
import shutil
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from heapq import merge
from pathlib import Path
from typing import NamedTuple, Protocol

from beeyard.adapters import log_cursor
from beeyard.adapters.log_files import Line, LogFollower, Place
from beeyard.ports.logs import LogLine, Stream

POLL = 0.1
"""Seconds between two looks for new lines, at least."""
CROWD = 20
"""Followers at once, from which on each looks less often."""
SHARE = 9
"""A follower waits so many times as long as a look took."""

OLD = 1.0
"""Seconds after which an unfinished line is given out as it is."""

ROOM = 64 * 1024
"""Characters in one batch, about: what is kept for a reader who is slow."""

EACH = 8
"""Streams up to which every line has a cursor of its own."""

STREAMS: tuple[Stream, ...] = ("stdout", "stderr")

MISSING = "(lines are missing here: they are not kept any more)"


class LogFolders(Protocol):
    """Where a worker's logs lie: the launcher's `Paths`, which adapters do not import."""

    def worker_logs(self, worker: str) -> str:
        """The log folder of one worker."""
        ...


class FileLogs:
    """The log files of one state folder."""

    def __init__(self, paths: LogFolders) -> None:
        self._paths = paths
        self._followers = 0

    async def tail(self, worker: str, lines: int, *, since: float | None = None) -> list[LogLine]:
        """The newest lines of both streams, oldest first; with `since`, only those known to be from then or later."""
        return await asyncio.to_thread(self._tail, worker, lines, since)

    async def end(self, worker: str) -> str:
        """A cursor behind all that is on file of one worker."""
        return await asyncio.to_thread(self._end, worker)

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
        """The newest lines of each, or those after a cursor; with `follow` every line as it comes, until closed."""
        reading = _Reading(self._paths, workers, STREAMS if stream is None else (stream,))
        try:
            if after is None:
                yield await asyncio.to_thread(reading.begin, lines, since, unfinished=not follow)
            else:
                yield await asyncio.to_thread(reading.resume, after)
            with self._counted():
                while follow or after is not None:
                    began = time.monotonic()
                    found = await asyncio.to_thread(reading.go_on)
                    if found is not None:
                        yield found
                    elif follow:
                        took = time.monotonic() - began
                        await asyncio.sleep(max(POLL * max(1, self._followers / CROWD), SHARE * took))
                    else:
                        yield await asyncio.to_thread(reading.finish)
                        return
        finally:
            reading.close()

    async def remove(self, worker: str) -> None:
        """Delete a removed worker's log folder; harmless twice."""
        await asyncio.to_thread(shutil.rmtree, self._paths.worker_logs(worker), ignore_errors=True)

    def _tail(self, worker: str, lines: int, since: float | None) -> list[LogLine]:
        reading = _Reading(self._paths, [worker], STREAMS)
        try:
            return reading.begin(lines, since, unfinished=True)
        finally:
            reading.close()

    def _end(self, worker: str) -> str:
        reading = _Reading(self._paths, [worker], STREAMS)
        try:
            return reading.end()
        finally:
            reading.close()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._followers += 1
        try:
            yield
        finally:
            self._followers -= 1


class _Found(NamedTuple):
    """A line, or a gap, on its way into a batch: `time` is what it is sorted by."""

    time: float
    followed: "_Followed"
    line: Line
    gap: bool = False


class _Followed:
    """One stream of one worker while it is read."""

    def __init__(self, folder: str, worker: str, stream: Stream) -> None:
        self.worker = worker
        self.stream = stream
        self.key = log_cursor.key(worker, stream)
        self.reader = LogFollower(str(Path(folder, stream)))
        self.grown = time.monotonic()
        self._latest = 0.0

    def begin(self, lines: int, *, unfinished: bool) -> list[_Found]:
        found = self.reader.begin(lines)
        return self.found(found + self.reader.release() if unfinished else found)

    def go_on(self) -> list[_Found] | None:
        """What a block finishes, one at a time lest a chatty worker hide the others; None: there is nothing new."""
        lines = self.reader.advance()
        if self.reader.lost and self.reader.begun:
            self.reader.lost = False
            return [*self.found(self.reader.release()), self.gap(self.reader.begun)]
        if lines is not None:
            self.grown = time.monotonic()
        elif self.reader.cutter.holds and time.monotonic() - self.grown >= OLD:
            lines = self.reader.release()
        return None if lines is None else self.found(lines)

    def found(self, lines: list[Line]) -> list[_Found]:
        """A line of unknown time stays behind the one before it."""
        found = []
        for line in lines:
            self._latest = max(self._latest, line.at or 0.0)
            found.append(_Found(self._latest, self, line))
        return found

    def gap(self, place: Place) -> _Found:
        return _Found(self._latest, self, Line(None, MISSING, place), gap=True)


class _Reading:
    """All streams that one caller reads. Used in one thread after another; `close` waits for the one still at it."""

    def __init__(self, paths: LogFolders, workers: Sequence[str], streams: Sequence[Stream]) -> None:
        self._lock = threading.Lock()
        self._closed = False
        self._workers = [
            [_Followed(paths.worker_logs(worker), worker, stream) for stream in streams] for worker in workers
        ]
        self._all = deque(followed for each in self._workers for followed in each)
        self._places: dict[int, Place] = {}

    def begin(self, lines: int, since: float | None, *, unfinished: bool) -> list[LogLine]:
        """The newest lines of each worker; those `unfinished` are else left to `go_on`."""
        rows: list[list[_Found]] = []
        with self._lock:
            for streams in self._workers if not self._closed else ():
                newest = _merged([followed.begin(lines, unfinished=unfinished) for followed in streams])
                for followed in streams:
                    if followed.reader.begun:
                        self._places[followed.key] = followed.reader.begun
                surplus = max(0, len(newest) - lines)
                self._pass(newest[:surplus])
                rows.append(newest[surplus:])
            found = _merged(rows)
            if since is not None:
                old = [one for one in found if one.line.at is None or one.line.at < since]
                self._pass(old)
                found = [one for one in found if one.line.at is not None and one.line.at >= since]
            return self._told(found)

    def end(self) -> str:
        """The cursor behind everything; nothing is to be read from here any more."""
        with self._lock:
            for followed in self._all:
                followed.begin(0, unfinished=False)
                if (place := followed.reader.here()) is not None:
                    self._places[followed.key] = place
            return log_cursor.encode(self._places)

    def resume(self, after: str) -> list[LogLine]:
        """Go where the cursor says; returns a gap for each stream of which that is not kept any more."""
        places = log_cursor.decode(after)
        gaps = []
        with self._lock:
            for followed in self._all if not self._closed else ():
                place = None if places is None else places.get(followed.key)
                there = followed.reader.resume(place)
                if followed.reader.begun:
                    self._places[followed.key] = followed.reader.begun
                    if places is None or not there:
                        gaps.append(followed.gap(followed.reader.begun))
                elif not there:
                    gaps.append(followed.gap(Place(0, 0, 0)))
            return self._told(gaps)

    def go_on(self) -> list[LogLine] | None:
        """The lines that came since, as many as there is room for; the streams take turns. None: nothing came."""
        with self._lock:
            rows: list[list[_Found]] = []
            room = ROOM
            for _ in range(0 if self._closed else len(self._all)):
                found = self._all[0].go_on()
                self._all.rotate(-1)
                if found is None:
                    continue
                rows.append(found)
                room -= sum(len(one.line.text) for one in found)
                if room <= 0:
                    break
            return self._told(_merged(rows)) if rows else None

    def finish(self) -> list[LogLine]:
        """The lines that are not finished, as they are."""
        with self._lock:
            rows = [followed.found(followed.reader.release()) for followed in self._all if not self._closed]
            return self._told(_merged(rows))

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for followed in self._all:
                followed.reader.close()

    def _pass(self, found: list[_Found]) -> None:
        """These are behind us without being told."""
        for one in found:
            self._places[one.followed.key] = one.line.end

    def _told(self, found: list[_Found]) -> list[LogLine]:
        """A batch, with the cursors that it is to have."""
        each, batch = len(self._all) <= EACH, []
        for number, (_, followed, line, gap) in enumerate(found, 1):
            if line.end.inode:
                self._places[followed.key] = line.end
            cursor = log_cursor.encode(self._places) if each or number == len(found) else ""
            batch.append(LogLine(followed.worker, followed.stream, line.at, line.text, cursor, gap))
        return batch


def _merged(rows: list[list[_Found]]) -> list[_Found]:
    """One row, by time; each row's own order stands."""
    return list(merge(*rows, key=lambda found: found.time))
