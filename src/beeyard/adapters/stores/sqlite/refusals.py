"""What SQLite complains about, in Beeyard's words. Knows no SQL and no file format.

Only what the world did is translated; what we did wrong (bad SQL, a violated constraint) stays the error it is.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from beeyard.domain.errors import Refused, Unavailable

_DAMAGE = {sqlite3.SQLITE_CORRUPT: "it is damaged", sqlite3.SQLITE_NOTADB: "it is not an SQLite database"}
_TROUBLE = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk reports an error",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_PERM: "permission denied",
    sqlite3.SQLITE_CANTOPEN: "it can't be opened, or its folder is not writable",
    sqlite3.SQLITE_BUSY: "another process has locked it",
    sqlite3.SQLITE_LOCKED: "another process has locked it",
    sqlite3.SQLITE_NOMEM: "there is no memory left",
}


def corrupt(path: Path, reason: str) -> Refused:
    """The database can't be trusted; an operator decides what becomes of it."""
    return Refused(
        "database_corrupt",
        "the database {path} can't be used: {reason}",
        hint=f"Nothing in it was changed, and workers that run keep running. Put a backup in its place, or move"
        f" {path}, {path}-wal and {path}-shm aside and start empty: what is lost then is which workers there were,"
        f" their stories and deaths, the tokens and the jobs; worker files, logs and journal are not touched.",
        path=str(path),
        reason=reason,
    )


def unwritable(path: Path, reason: str) -> Unavailable:
    """Nothing can be written now; later it may."""
    return Unavailable(
        "store_unwritable", "the database {path} can't be written: {reason}", path=str(path), reason=reason
    )


def unreadable(path: Path, reason: str) -> Unavailable:
    """Nothing can be read now; later it may."""
    return Unavailable("store_unreadable", "the database {path} can't be read: {reason}", path=str(path), reason=reason)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Damage is refused, trouble is unavailable."""
    try:
        yield
    except sqlite3.Error as error:
        if damage := _DAMAGE.get(_code(error)):
            raise corrupt(path, _in_full(damage, error)) from error
        if trouble := _TROUBLE.get(_code(error)):
            raise unreadable(path, _in_full(trouble, error)) from error
        raise


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Damage is trouble as well: whoever writes goes on without us, and hears of the damage when it reads."""
    try:
        yield
    except sqlite3.Error as error:
        if reason := (_TROUBLE | _DAMAGE).get(_code(error)):
            raise unwritable(path, _in_full(reason, error)) from error
        raise


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code, the low byte; 0 for the errors that Python's own layer makes."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _in_full(reason: str, error: sqlite3.Error) -> str:
    return f"{reason} ({error.sqlite_errorname}: {error})"
