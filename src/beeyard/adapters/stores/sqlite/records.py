"""Reads and writes the rows. Knows SQL and msgpack; of the file only its name, of threads and event loops nothing.

A worker's row holds the number that its story has reached, so an entry finds its slot in the ring without a search:
nothing is ever trimmed. Deaths come rarely, so theirs are trimmed, now and then.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import msgspec

from beeyard.adapters.stores.sqlite.refusals import corrupt, reading, writing
from beeyard.domain.worker import Death, Worker
from beeyard.ports.store import ANY, KEPT, Commit, Document, Put, Snapshot, StoryEntry, stale

_INSERT = "INSERT OR IGNORE INTO workers (revision, body, id) VALUES (?, ?, ?)"
_UPDATE = "UPDATE workers SET revision = ?, body = ? WHERE id = ? AND revision = ?"
_TAKE_NUMBER = "UPDATE workers SET told = told + 1 WHERE id = ?"
_TELL = f"""
    INSERT OR REPLACE INTO story SELECT position, told % {KEPT}, told, ?, ?, ?, ?, ?, ? FROM workers WHERE id = ?"""
_BURY = "INSERT OR REPLACE INTO deaths SELECT position, ?, ? FROM workers WHERE id = ?"
_TRIM = f"""
    DELETE FROM deaths WHERE position = (SELECT position FROM workers WHERE id = :worker) AND attempt <= (
        SELECT attempt FROM deaths WHERE position = (SELECT position FROM workers WHERE id = :worker)
        ORDER BY attempt DESC LIMIT 1 OFFSET {KEPT})"""
_TRIM_EVERY = 16  # attempts

T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()
_workers = msgspec.msgpack.Decoder(Worker)
_deaths = msgspec.msgpack.Decoder(Death)


class Records:
    """All that is in the database. Used by one thread, that which opened the connection."""

    def __init__(self, database: sqlite3.Connection, path: Path) -> None:
        self._database = database
        self._path = path
        self._durable = False

    def load(self) -> Snapshot:
        with reading(self._path):
            rows = self._database.execute("SELECT id, body, revision FROM workers ORDER BY position")
            workers = [(self._decoded(_workers, id, body), revision) for id, body, revision in rows]
            return Snapshot(workers, dict(self._database.execute("SELECT name, value FROM facts")))

    def story(self, worker: str, limit: int) -> list[StoryEntry]:
        with reading(self._path):
            rows = self._database.execute(
                'SELECT at, before, after, what, attempt, "by" FROM story'
                " WHERE position = (SELECT position FROM workers WHERE id = ?) ORDER BY number DESC LIMIT ?",
                (worker, max(0, min(limit, KEPT))),
            ).fetchall()
        return [StoryEntry(worker, *row) for row in reversed(rows)]

    def deaths(self, worker: str, limit: int) -> list[Death]:
        with reading(self._path):
            rows = self._database.execute(
                "SELECT body FROM deaths WHERE position = (SELECT position FROM workers WHERE id = ?)"
                " ORDER BY attempt DESC LIMIT ?",
                (worker, max(0, min(limit, KEPT))),
            ).fetchall()
        return [self._decoded(_deaths, worker, body) for (body,) in rows]

    def documents(self, kind: str, before: str | None, limit: int | None) -> list[Document]:
        below, keys = (" AND key < ?", (kind, before)) if before is not None else ("", (kind,))
        with reading(self._path):
            rows = self._database.execute(
                f"SELECT key, body FROM documents WHERE kind = ?{below} ORDER BY key DESC LIMIT ?",
                (*keys, -1 if limit is None else max(0, limit)),
            ).fetchall()
        return [Document(kind, key, body) for key, body in rows]

    def document(self, kind: str, key: str) -> bytes | None:
        with reading(self._path):
            asked = "SELECT body FROM documents WHERE kind = ? AND key = ?"
            row = self._database.execute(asked, (kind, key)).fetchone()
        return row[0] if row else None

    def commit(self, commit: Commit, *, durable: bool) -> None:
        """One transaction; `durable` fsyncs the write-ahead log, and with it all earlier commits."""
        if commit.empty():
            return
        with writing(self._path):
            if durable != self._durable:  # SQLite heeds this only between transactions
                self._database.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self._durable = durable
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._write(commit)
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:  # a full disk has rolled it back already
                    self._database.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """The last connection to close moves the write-ahead log into the database."""
        self._database.close()

    def _write(self, commit: Commit) -> None:
        self._remove(commit.removed)
        for put in commit.puts:
            self._put(put)
        execute = self._database.execute
        for entry in commit.story:
            execute(_TAKE_NUMBER, (entry.worker,))
            execute(_TELL, (entry.at, entry.before, entry.after, entry.what, entry.attempt, entry.by, entry.worker))
        for worker, death in commit.deaths:
            execute(_BURY, (death.attempt, _encoder.encode(death), worker))
            if death.attempt % _TRIM_EVERY == 0:
                execute(_TRIM, {"worker": worker})
        self._database.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", commit.facts.items())
        for expired in commit.expired:
            execute("DELETE FROM documents WHERE kind = ? AND key < ?", expired)
        for document in commit.documents:
            if document.body is None:
                execute("DELETE FROM documents WHERE kind = ? AND key = ?", (document.kind, document.key))
            else:
                whole = (document.kind, document.key, document.body)
                execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", whole)

    def _remove(self, workers: Iterable[str]) -> None:
        for worker in workers:
            for table in ("story", "deaths", "workers"):
                self._database.execute(
                    f"DELETE FROM {table} WHERE position = (SELECT position FROM workers WHERE id = ?)", (worker,)
                )

    def _put(self, put: Put) -> None:
        """Compare and swap in one statement: no row touched means that it was not as expected."""
        execute, id = self._database.execute, put.worker.id
        expected = self._revision(id) if put.expected == ANY else put.expected
        row = (put.revision, _encoder.encode(put.worker), id)
        written = execute(_UPDATE, (*row, expected)) if expected else execute(_INSERT, row)
        if written.rowcount != 1:
            raise stale(put, self._revision(id))

    def _revision(self, worker: str) -> int:
        """0 for one that is not there."""
        row = self._database.execute("SELECT revision FROM workers WHERE id = ?", (worker,)).fetchone()
        return row[0] if row else 0

    def _decoded(self, decoder: msgspec.msgpack.Decoder[T], worker: str, body: bytes) -> T:
        try:
            return decoder.decode(body)
        except (msgspec.MsgspecError, TypeError, UnicodeDecodeError) as error:  # TypeError: not even bytes
            raise corrupt(self._path, f"a record of {worker} can't be read ({error})") from error
