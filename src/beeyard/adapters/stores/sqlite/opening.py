"""Opens the database file, or says why not. Knows the file and its schema, nothing of what the rows mean.

The first rule: what is not surely ours, whole and no newer than us is never written to, not even by SQLite's own
recovery. So a file is first looked at through a read-only connection, which can't checkpoint. And a new database is
made beside its place and renamed into it, so that one is there whole or not at all.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from beeyard.adapters.stores.sqlite.refusals import corrupt, reading, unwritable, writing
from beeyard.domain.errors import Invalid, Refused

APPLICATION_ID = int.from_bytes(b"BEEY")
"""Stands in the header of every database of ours, as `PRAGMA application_id`."""

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE workers (
        position INTEGER PRIMARY KEY,      -- grows with each worker added
        id       TEXT    NOT NULL UNIQUE,
        revision INTEGER NOT NULL,
        told     INTEGER NOT NULL DEFAULT 0,  -- story entries so far
        body     BLOB    NOT NULL          -- msgpack
    );
    CREATE TABLE story (                   -- a ring for each worker: a new entry takes the oldest one's slot
        position INTEGER NOT NULL,
        slot     INTEGER NOT NULL,
        number   INTEGER NOT NULL,
        at       REAL    NOT NULL,
        before   TEXT    NOT NULL,
        after    TEXT    NOT NULL,
        what     TEXT    NOT NULL,
        attempt  INTEGER NOT NULL,
        "by"     TEXT    NOT NULL,
        PRIMARY KEY (position, slot)
    ) WITHOUT ROWID;
    CREATE TABLE deaths (
        position INTEGER NOT NULL,
        attempt  INTEGER NOT NULL,
        body     BLOB    NOT NULL,         -- msgpack
        PRIMARY KEY (position, attempt)
    );
    CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    """,
    """
    CREATE TABLE documents (
        kind TEXT NOT NULL,
        key  TEXT NOT NULL,
        body BLOB NOT NULL,                -- only its writer knows
        PRIMARY KEY (kind, key)
    ) WITHOUT ROWID;
    """,
)
"""Entry n leads from schema n to n + 1 (`PRAGMA user_version`). Entries are added, never changed."""

_SETTINGS = {
    "synchronous": "NORMAL",
    "wal_autocheckpoint": 4000,  # pages: a write-ahead log of 8 MiB
    "journal_size_limit": 16 * 1024**2,  # bytes: what one large commit may leave of it on the disk
    "cache_size": -2048,  # KiB
    "mmap_size": 0,
}
_PAGE = 2048
"""Bytes. Each story entry dirties one page: a commit about 1,000 workers took half as long again with pages of 4096."""

_PATIENCE = 1.0  # seconds; nobody but us should hold a lock, except somebody looking with the sqlite3 tool


def open_database(path: Path) -> sqlite3.Connection:
    """A connection for this thread alone, in autocommit mode, its schema the newest."""
    path = path.absolute()
    _reach(path)
    if _size(path) == 0:
        if _size(_beside(path, "-wal")):
            raise corrupt(path, "it is missing or empty, but the write-ahead log that belongs to it is there")
        _create(path)
    _recognise(path)
    _inspect(path)
    with writing(path):
        database = _connect(path)
        try:
            _migrate(database)
            for name, value in _SETTINGS.items():
                database.execute(f"PRAGMA {name} = {value}")
        except BaseException:
            database.close()
            raise
    return database


def _reach(path: Path) -> None:
    """A file that is there must be one that we may write; asking the system tells why not, SQLite doesn't."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise Invalid(
                "store_path", "{path}: there is no folder {folder}", path=str(path), folder=str(path.parent)
            ) from None
    except (IsADirectoryError, NotADirectoryError) as error:
        raise Invalid(
            "store_path", "{path} can't be a database: {reason}", path=str(path), reason=error.strerror
        ) from error
    except OSError as error:
        raise unwritable(path, str(error.strerror)) from error


def _create(path: Path) -> None:
    """A new database, readable for its owner only: specs carry environments, and those carry secrets."""
    draft = _beside(path, ".new")
    try:
        draft.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with writing(path), closing(_connect(draft)) as database:
            database.execute(f"PRAGMA page_size = {_PAGE}")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            _migrate(database)
        draft.rename(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise unwritable(path, str(error.strerror)) from error


def _recognise(path: Path) -> None:
    """Read the header ourselves: it tells whose the file is before SQLite has touched it."""
    with path.open("rb") as file:
        header = file.read(100)  # https://www.sqlite.org/fileformat.html#the_database_header
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        raise corrupt(path, "it is not an SQLite database")
    if int.from_bytes(header[68:72]) != APPLICATION_ID:
        raise Refused(
            "database_foreign",
            "the database {path} was not made by Beeyard",
            hint="Nothing in it was changed. Move it aside, or choose another state directory.",
            path=str(path),
        )
    page = int.from_bytes(header[16:18])
    if _size(path) % page and not _size(_beside(path, "-wal")):  # beside a log, a checkpoint was cut off: harmless
        raise corrupt(path, "it is cut short")


def _inspect(path: Path) -> None:
    """Refuse what is newer than us, or not whole."""
    with reading(path), closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_PATIENCE)) as database:
        version: int = database.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise Refused(
                "database_newer",
                "the database {path} has schema {found}, this Beeyard knows {known} at most",
                hint="A newer Beeyard has used it. Run that one, or put back the backup made before it was upgraded.",
                path=str(path),
                found=version,
                known=len(MIGRATIONS),
            )
        verdict: str = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise corrupt(path, f"it is damaged ({verdict})")


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)


def _migrate(database: sqlite3.Connection) -> None:
    """Take each step that is missing, each in a transaction of its own."""
    version: int = database.execute("PRAGMA user_version").fetchone()[0]
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        database.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number}; COMMIT")


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _size(path: Path) -> int:
    """0 for a file that isn't there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
