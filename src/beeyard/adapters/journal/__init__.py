"""Keeps the journal in a folder: `chain` knows the lines, `segments` and `reading` the files, `writer` their end.

This knows the threads. One writes: what is appended while it waits for the disk goes there with the next write, all in
one. Readers have others, so that neither waits for the other; the event loop waits for none. Only one process may
write to a folder at a time; a lock elsewhere sees to that.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import NamedTuple, Self

from beeyard.adapters.journal.chain import Check, encode
from beeyard.adapters.journal.chain import check_lines as check_lines
from beeyard.adapters.journal.reading import everything, examine, newest
from beeyard.adapters.journal.writer import Writer
from beeyard.domain.errors import Unavailable
from beeyard.ports.journal import START, Entry, Head, Record, Verdict


class _Waiting(NamedTuple):
    """Who waits for an entry to be written."""

    encoded: bytes
    durable: bool
    seq: asyncio.Future[int]


class FileJournal:
    """A Journal in files of JSON lines."""

    def __init__(self, writer: Writer, thread: ThreadPoolExecutor) -> None:
        self._writer = writer
        self._thread = thread
        self._loop = asyncio.get_running_loop()
        self._lock = Lock()
        self._queue: list[_Waiting] = []
        self._busy = False  # the thread will look into the queue
        self._closed = False

    @classmethod
    async def open(cls, folder: Path) -> Self:
        """Go on with the journal in this folder, or begin one.

        Raises:
            Unavailable: `journal_unwritable`, when its files can't be opened or made.
        """
        thread = ThreadPoolExecutor(1, thread_name_prefix="beeyard-journal")
        try:
            writer = await asyncio.get_running_loop().run_in_executor(thread, Writer, folder)
            return cls(writer, thread)
        except OSError as error:
            thread.shutdown(wait=False)
            raise _unwritable(folder, error) from error
        except BaseException:
            thread.shutdown(wait=False)
            raise

    async def append(self, record: Record, *, durable: bool) -> int:
        self._check_open()
        waiting = _Waiting(encode(record), durable, self._loop.create_future())
        with self._lock:
            self._queue.append(waiting)
            busy, self._busy = self._busy, True
        if not busy:
            self._thread.submit(self._drain)
        return await waiting.seq

    async def read(self, *, before: int | None = None, limit: int) -> list[Entry]:
        self._check_open()
        with self._reading():
            return await asyncio.to_thread(newest, self._writer.folder, self._writer.end, before, limit)

    async def verify(self, known: Head = START) -> Verdict:
        """Look at every entry; one file that can't be read is a problem like others. The head of now is known too."""
        self._check_open()
        end = self._writer.end
        check = Check(known, end.head)
        pieces = examine(self._writer.folder, end, check)
        with self._reading():
            while await asyncio.to_thread(next, pieces, None):
                pass
        return check.verdict()

    async def export(self) -> AsyncIterator[bytes]:
        self._check_open()
        pieces = everything(self._writer.folder, self._writer.end)
        with self._reading():
            while piece := await asyncio.to_thread(next, pieces, None):
                yield piece

    def head(self) -> Head:
        return self._writer.end.head

    def synced(self) -> Head:
        return self._writer.synced

    async def close(self) -> None:
        """Finish what was asked, and let go of the files. Harmless twice."""
        if not self._closed:
            self._closed = True
            await self._loop.run_in_executor(self._thread, self._writer.close)
            self._thread.shutdown(wait=False)

    def _drain(self) -> None:
        """Write until nobody waits. The journal's own thread."""
        while True:
            with self._lock:
                batch, self._queue = self._queue, []
                if not batch:
                    self._busy = False
                    return
            outcome: int | Exception
            try:
                outcome = self._writer.write(
                    [waiting.encoded for waiting in batch], durable=any(waiting.durable for waiting in batch)
                )
            except Exception as error:
                outcome = error
            with suppress(RuntimeError):  # the loop is gone, and with it all who waited
                self._loop.call_soon_threadsafe(self._tell, batch, outcome)

    def _tell(self, batch: list[_Waiting], outcome: int | Exception) -> None:
        for number, waiting in enumerate(batch):
            if waiting.seq.done():  # cancelled
                continue
            if isinstance(outcome, int):
                waiting.seq.set_result(outcome + number)
            elif isinstance(outcome, OSError):
                waiting.seq.set_exception(_unwritable(self._writer.path, outcome))
            else:
                waiting.seq.set_exception(outcome)

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("journal_closed", "the journal is closed")

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            path, reason = str(error.filename or self._writer.folder), _reason(error)
            raise Unavailable(
                "journal_unreadable", "the journal {path} can't be read: {reason}", path=path, reason=reason
            ) from error


def _unwritable(path: Path, error: OSError) -> Unavailable:
    """Nothing can be written now; later it may."""
    return Unavailable(
        "journal_unwritable",
        "the journal {path} can't be written: {reason}",
        hint="It is tried anew each time: make room on the disk, or see to it that the folder can be written to.",
        path=str(error.filename or path),
        reason=_reason(error),
    )


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
