"""Keeps records in one SQLite file: `opening` knows the file, `records` the rows, this the thread they live in.

The event loop never waits for the disk. One thread owns the connection and takes one call after the other, so what
is asked first is done first; a caller that is cancelled does not undo what the thread has begun.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from beeyard.adapters.stores.sqlite.opening import open_database
from beeyard.adapters.stores.sqlite.records import Records
from beeyard.domain.errors import Unavailable
from beeyard.domain.worker import Death
from beeyard.ports.store import Commit, Document, Snapshot, StoryEntry

T = TypeVar("T")


class SqliteStore:
    """A Store in a file of its own. Only one process may use the file at a time; a lock elsewhere sees to that."""

    def __init__(self, records: Records, thread: ThreadPoolExecutor) -> None:
        self._records = records
        self._thread = thread
        self._closed = False

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open the database, or make it where there is none.

        Raises:
            Refused: `database_corrupt`, `database_foreign` or `database_newer`; the file is left as it was.
            Invalid: `store_path`, when no file can stand there.
            Unavailable: `store_unwritable`, when it can't be opened or brought up to date now.
        """
        thread = ThreadPoolExecutor(1, thread_name_prefix="beeyard-store")
        try:
            loop = asyncio.get_running_loop()
            return cls(await loop.run_in_executor(thread, lambda: Records(open_database(path), path)), thread)
        except BaseException:
            thread.shutdown(wait=False)
            raise

    async def load(self) -> Snapshot:
        return await self._run(self._records.load)

    async def commit(self, commit: Commit, *, durable: bool) -> None:
        await self._run(partial(self._records.commit, commit, durable=durable))

    async def story(self, worker: str, limit: int) -> list[StoryEntry]:
        return await self._run(partial(self._records.story, worker, limit))

    async def deaths(self, worker: str, limit: int) -> list[Death]:
        return await self._run(partial(self._records.deaths, worker, limit))

    async def documents(self, kind: str, *, before: str | None = None, limit: int | None = None) -> list[Document]:
        return await self._run(partial(self._records.documents, kind, before, limit))

    async def document(self, kind: str, key: str) -> bytes | None:
        return await self._run(partial(self._records.document, kind, key))

    async def close(self) -> None:
        """Finish what was asked, write everything into the one file, and let go of it. Harmless twice."""
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._thread, self._records.close)
            self._thread.shutdown(wait=False)

    async def _run(self, work: Callable[[], T]) -> T:
        """Let the thread do it, and wait."""
        if self._closed:
            raise Unavailable("store_closed", "the store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
