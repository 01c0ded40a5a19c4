"""What only a store in a file has to get right: whose file it is, a full disk, a kill, and who waits for whom."""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from beeyard.adapters.stores.sqlite import SqliteStore, opening
from beeyard.domain.errors import Invalid, Refused, Unavailable
from beeyard.domain.messages import Exit
from beeyard.domain.worker import Cause, Death
from beeyard.ports.store import KEPT, Document, Put, Snapshot, StoryEntry
from tests.disks import fill, mounted
from tests.fakes.store import a_commit, a_worker

ALL = 10 * KEPT


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SqliteStore]:
    """A store that is closed again."""
    store = await SqliteStore.open(path)
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is to be; a space and a percent sign must not matter."""
    folder = tmp_path / "100% state?"
    folder.mkdir()
    return folder / "beeyard.db"


@pytest.fixture
async def filled(path: Path) -> Path:
    """A database of some hundred pages, closed."""
    async with opened(path) as store:
        await store.commit(a_commit(*(Put(a_worker(f"w{n}", text="x" * 900), 0, 1) for n in range(200))), durable=True)
    return path


def edited(path: Path, *statements: str) -> Path:
    """The database after somebody else changed it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)
    return path


def contents(path: Path) -> dict[str, bytes]:
    """The bytes of everything beside the database that holds data (the index in shared memory holds none)."""
    files = {file.name: file.read_bytes() for file in path.parent.iterdir() if not file.name.endswith("-shm")}
    return {name: data for name, data in files.items() if data or name == path.name}


def settings(store: SqliteStore, *names: str) -> list[object]:
    """Pragmas of the store's own connection, which only its thread may ask."""
    database = store._records._database
    asked = store._thread.submit(lambda: [database.execute(f"PRAGMA {name}").fetchone()[0] for name in names])
    return asked.result()


# --- a new file -----------------------------------------------------------------------------------------------------


async def test_a_new_database_is_ours_and_private(path: Path) -> None:
    """It carries our mark and schema from its first moment, and only its owner may read the secrets in specs."""
    async with opened(path) as store:
        await store.commit(a_commit(facts={"boot": "x"}), durable=False)
        assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}
        names = "application_id", "user_version", "journal_mode", "synchronous", "mmap_size"
        assert settings(store, *names) == [int.from_bytes(b"BEEY"), len(opening.MIGRATIONS), "wal", 1, 0]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


async def test_an_empty_file_is_a_new_database(path: Path) -> None:
    """Nothing is in it that could be lost."""
    path.touch()
    async with opened(path) as store:
        assert await store.load() == Snapshot([], {})


async def test_a_half_made_database_is_made_anew(path: Path) -> None:
    """Killed while it made the file, the next one starts over: the draft has never been in its place."""
    path.with_name(path.name + ".new").write_bytes(b"SQLite format 3\0half")
    path.with_name(path.name + ".new-wal").write_bytes(b"junk" * 100)
    async with opened(path) as store:
        await store.commit(a_commit(facts={"boot": "x"}), durable=False)
        assert await store.load() == Snapshot([], {"boot": "x"})


# --- files that are refused -----------------------------------------------------------------------------------------


def text(path: Path) -> None:
    path.write_text("workers:\n  web: {}\n" * 100)


def a_few_bytes(path: Path) -> None:
    path.write_bytes(b"SQLite")


def cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 4096 * 2048)  # a whole number of pages


def cut_by_a_byte(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def one_page_garbled(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[5 * 2048 : 5 * 2048 + 64] = b"\xff" * 64
    path.write_bytes(data)


def schema_garbled(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[100:2048] = b"\xff" * 1948
    path.write_bytes(data)


def emptied_beside_its_log(path: Path) -> None:
    path.with_name(path.name + "-wal").write_bytes(b"frames" * 1000)
    os.truncate(path, 0)


def gone_beside_its_log(path: Path) -> None:
    path.with_name(path.name + "-wal").write_bytes(b"frames" * 1000)
    path.rename(path.with_name("aside.db"))
    path.with_name("aside.db").unlink()


BREAKAGES = [
    (text, "it is not an SQLite database"),
    (a_few_bytes, "it is not an SQLite database"),
    (cut_in_half, "it is damaged"),
    (cut_by_a_byte, "it is cut short"),
    (one_page_garbled, "it is damaged"),
    (schema_garbled, "it is damaged"),
    (emptied_beside_its_log, "it is missing or empty, but the write-ahead log that belongs to it is there"),
    (gone_beside_its_log, "it is missing or empty, but the write-ahead log that belongs to it is there"),
]


@pytest.mark.parametrize(("damage", "reason"), BREAKAGES, ids=lambda value: getattr(value, "__name__", ""))
async def test_a_damaged_database_is_refused_and_left_alone(
    filled: Path, damage: Callable[[Path], None], reason: str
) -> None:
    """The refusal says which file, what is wrong and what to do; not one byte of it changes."""
    damage(filled)
    before = contents(filled) if filled.exists() else {}
    with pytest.raises(Refused) as refused:
        await SqliteStore.open(filled)
    assert refused.value.code == "database_corrupt"
    assert str(refused.value).startswith(f"the database {filled} can't be used: {reason}")
    assert f"{filled}, {filled}-wal and {filled}-shm aside" in refused.value.hint
    assert "workers that run keep running" in refused.value.hint
    assert (contents(filled) if filled.exists() else {}) == before


async def test_a_damaged_database_with_a_live_log_is_left_alone(filled: Path, tmp_path: Path) -> None:
    """Not even SQLite's own recovery moves the log of a killed master into a file that is damaged."""
    copy = tmp_path / "copy" / "beeyard.db"
    copy.parent.mkdir()
    async with opened(filled) as store:  # what a kill leaves behind is what lies there now
        await store.commit(a_commit(facts={"boot": "x" * 5000}), durable=False)
        for file in (filled, filled.with_name(filled.name + "-wal")):
            shutil.copy(file, copy.parent)
    one_page_garbled(copy)
    before = contents(copy)
    assert len(before) == 2
    with pytest.raises(Refused, match="it is damaged"):
        await SqliteStore.open(copy)
    assert contents(copy) == before


async def test_a_record_that_cannot_be_read_names_its_worker(filled: Path) -> None:
    """The pages are whole, but one row is not what we wrote: loading refuses, naming whose it is."""
    edited(filled, "UPDATE workers SET body = x'93c0' WHERE id = 'w7'")
    async with opened(filled) as store:
        with pytest.raises(Refused, match="a record of w7 can't be read") as refused:
            await store.load()
    assert refused.value.code == "database_corrupt"


@pytest.mark.parametrize("mark", [0, 0x12345678])
async def test_a_foreign_database_is_refused_and_left_alone(path: Path, mark: int) -> None:
    """Whatever SQLite database is not marked as ours belongs to somebody else."""
    edited(path, "CREATE TABLE workers (id)", f"PRAGMA application_id = {mark}", "PRAGMA user_version = 1")
    before = contents(path)
    with pytest.raises(Refused, match="was not made by Beeyard") as refused:
        await SqliteStore.open(path)
    assert refused.value.code == "database_foreign"
    assert contents(path) == before


async def test_a_newer_database_is_refused_and_left_alone(filled: Path) -> None:
    """A Beeyard that was put back does not touch what its successor wrote."""
    edited(filled, "PRAGMA user_version = 99", "PRAGMA wal_checkpoint(TRUNCATE)")
    before = contents(filled)
    with pytest.raises(Refused, match="has schema 99, this Beeyard knows 2 at most") as refused:
        await SqliteStore.open(filled)
    assert refused.value.code == "database_newer"
    assert "newer Beeyard" in refused.value.hint
    assert contents(filled) == before


async def test_a_folder_is_no_database(tmp_path: Path) -> None:
    """The path is wrong: the operator has to change it."""
    with pytest.raises(Invalid, match="can't be a database: Is a directory") as invalid:
        await SqliteStore.open(tmp_path)
    assert invalid.value.code == "store_path"


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """No folder is made where none was meant to be."""
    with pytest.raises(Invalid, match=f"there is no folder {tmp_path}/none"):
        await SqliteStore.open(tmp_path / "none" / "beeyard.db")
    assert not (tmp_path / "none").exists()


async def test_a_folder_that_takes_no_files_is_unavailable() -> None:
    """In /sys not even root can make a file."""
    with pytest.raises(
        Unavailable, match=r"can't be written: (Permission denied|Read-only file system)"
    ) as unavailable:
        await SqliteStore.open(Path("/sys/beeyard.db"))
    assert unavailable.value.code == "store_unwritable"


# --- schema versions ------------------------------------------------------------------------------------------------


async def test_an_older_schema_is_migrated_forward(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the missing steps are taken, once, and the records survive them."""
    step = "ALTER TABLE workers ADD COLUMN colour TEXT; CREATE TABLE flags (name TEXT)"
    monkeypatch.setattr(opening, "MIGRATIONS", (*opening.MIGRATIONS, step))
    for _ in range(2):
        async with opened(filled) as store:
            assert settings(store, "user_version") == [3]
            assert len((await store.load()).workers) == 200
    edited(filled, "SELECT colour FROM workers, flags")


async def test_a_database_of_the_first_schema_learns_of_documents(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that it held is there afterwards, and documents can be kept in it."""
    death = Death(1, 5.0, Cause("exit"), Exit(code=3), 1.5, False, "")
    story = StoryEntry("w1", 1.0, "down", "up", "spawned")
    kept = a_commit(Put(a_worker("w1", text="x"), 0, 4), story=[story], deaths=[("w1", death)], facts={"boot": "x"})
    with monkeypatch.context() as older:
        older.setattr(opening, "MIGRATIONS", opening.MIGRATIONS[:1])
        async with opened(path) as store:
            await store.commit(kept, durable=True)
            assert settings(store, "user_version") == [1]
    document = Document("token", "t1", b"\x00\xff")
    for _ in range(2):
        async with opened(path) as store:
            assert settings(store, "user_version") == [2]
            assert await store.load() == Snapshot([(a_worker("w1", text="x"), 4)], {"boot": "x"})
            assert (await store.story("w1", 9), await store.deaths("w1", 9)) == ([story], [death])
            await store.commit(a_commit(documents=[document]), durable=True)
            assert await store.documents("token") == [document]


async def test_a_migration_that_fails_changes_nothing(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step is taken whole or not at all; the error is a bug of ours and looks like one."""
    monkeypatch.setattr(opening, "MIGRATIONS", (*opening.MIGRATIONS, "DROP TABLE facts; DROP TABLE nonsense"))
    with pytest.raises(sqlite3.OperationalError, match="no such table: nonsense"):
        await SqliteStore.open(filled)
    monkeypatch.undo()
    async with opened(filled) as store:
        assert settings(store, "user_version") == [2]
        assert len((await store.load()).workers) == 200


# --- a disk that does not take it -----------------------------------------------------------------------------------


async def test_a_full_database_takes_nothing_half_and_recovers(filled: Path) -> None:
    """Out of pages in the middle of a commit: unavailable, nothing written; with room again it goes in."""
    async with opened(filled) as store:
        before = await store.load()
        [pages] = settings(store, "page_count")
        settings(store, f"max_page_count = {pages}")
        big = a_commit(*(Put(a_worker(f"new{n}", text="x" * 900), 0, 1) for n in range(100)), facts={"boot": "x"})
        with pytest.raises(Unavailable, match=r"can't be written: the disk is full \(SQLITE_FULL") as unavailable:
            await store.commit(big, durable=False)
        assert unavailable.value.code == "store_unwritable"
        assert await store.load() == before
        settings(store, "max_page_count = 100000")
        await store.commit(big, durable=False)
        assert len((await store.load()).workers) == 300


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    with mounted(tmp_path / "disk", "size=1m") as folder:
        yield folder


async def test_a_full_disk_takes_nothing_half_and_recovers(small_disk: Path) -> None:
    """Commits fail while the disk is full and work again as soon as it isn't; after all that the file is whole."""
    filler = small_disk / "filler"
    async with opened(small_disk / "beeyard.db") as store:
        await store.commit(a_commit(Put(a_worker("a"), 0, 1)), durable=False)
        fill(filler)
        revision, refused = 1, set()
        for turn in range(40):
            put = Put(a_worker("a", text="x" * 20_000, turn=turn), revision, revision + 1)
            try:
                await store.commit(a_commit(put, facts={"turn": str(turn)}), durable=turn % 2 == 0)
            except Unavailable as error:
                refused.add(error.code)
                assert (await store.load()).workers[0][1] == revision
            else:
                revision += 1
        assert refused == {"store_unwritable"}
        filler.unlink()
        await store.commit(a_commit(Put(a_worker("a", well=True), revision, revision + 1)), durable=True)
    async with opened(small_disk / "beeyard.db") as store:
        assert (await store.load()).workers == [(a_worker("a", well=True), revision + 1)]


async def test_a_full_disk_at_the_first_start_is_unavailable(small_disk: Path) -> None:
    """No half-made database stands there afterwards."""
    path, filler = small_disk / "beeyard.db", small_disk / "filler"
    fill(filler)
    with pytest.raises(Unavailable) as unavailable:
        await SqliteStore.open(path)
    assert unavailable.value.code == "store_unwritable"
    assert not path.exists()
    filler.unlink()
    async with opened(path) as store:
        assert await store.load() == Snapshot([], {})


async def test_damage_found_while_writing_is_unavailable(filled: Path) -> None:
    """Who writes goes on without the store, whatever ails it; who reads is told of the damage."""
    async with opened(filled) as store:
        with filled.open("r+b") as file:
            file.seek(2048)
            file.write(b"\xff" * (filled.stat().st_size - 2048))
        with pytest.raises(Unavailable, match="it is damaged"):
            await store.commit(a_commit(Put(a_worker("w3"), 1, 2)), durable=False)
        with pytest.raises(Refused, match="it is damaged"):
            await store.load()


# --- who waits for whom ---------------------------------------------------------------------------------------------


async def test_the_loop_runs_on_while_the_store_waits(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody holds a lock on the file: the commit waits in its thread and gives up, and the loop notices nothing."""
    monkeypatch.setattr(opening, "_PATIENCE", 0.3)
    async with opened(filled) as store:
        with closing(sqlite3.connect(filled, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            waiting = asyncio.create_task(store.commit(a_commit(facts={"boot": "x"}), durable=False))
            longest, last = 0.0, time.monotonic()
            while not waiting.done():
                await asyncio.sleep(0.001)
                longest, last = max(longest, time.monotonic() - last), time.monotonic()
        with pytest.raises(Unavailable, match="another process has locked it"):
            await waiting
        assert longest < 0.2
        await store.commit(a_commit(facts={"boot": "y"}), durable=False)
        assert (await store.load()).facts == {"boot": "y"}


async def test_a_cancelled_caller_leaves_a_whole_commit_or_none(filled: Path) -> None:
    """Whoever stops waiting doesn't know; the store does, and the next commit is not harmed."""
    async with opened(filled) as store:
        for turn in range(20):
            commit = a_commit(facts={"turn": str(turn), "same": str(turn)})
            waiting = asyncio.create_task(store.commit(commit, durable=False))
            await asyncio.sleep(0.0001 * (turn % 4))
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            facts = (await store.load()).facts
            assert facts.get("turn") == facts.get("same")


async def test_durable_is_fsynced_and_the_rest_is_not(path: Path) -> None:
    """FULL writes through before a commit returns; NORMAL leaves that to the next durable one or a checkpoint."""
    async with opened(path) as store:
        modes = []
        for durable in (False, True, True, False):
            await store.commit(a_commit(facts={"boot": str(durable)}), durable=durable)
            modes += settings(store, "synchronous")
        assert modes == [1, 2, 2, 1]


async def test_the_log_does_not_grow_for_ever(path: Path) -> None:
    """Checkpoints happen by themselves: many commits over one worker leave a log of a few megabytes."""
    async with opened(path) as store:
        for revision in range(1000):
            put = Put(a_worker("a", text="x" * 20_000), revision, revision + 1)
            await store.commit(a_commit(put, story=[StoryEntry("a", 1.0, "", "", "turn")]), durable=False)
        assert path.with_name(path.name + "-wal").stat().st_size < 17 * 1024**2
        assert path.stat().st_size < 1024**2


async def test_past_that_is_out_of_reach_takes_no_room(path: Path) -> None:
    """What no reader can see any more is gone from the file, but for a handful of deaths."""
    exit = Exit(code=1)
    async with opened(path) as store:
        await store.commit(a_commit(Put(a_worker("a"), 0, 1)), durable=False)
        for start in range(1, 1001, 100):
            attempts = range(start, start + 100)
            story = [StoryEntry("a", 1.0, "down", "up", f"{n}") for n in attempts]
            deaths = [("a", Death(n, 1.0, Cause("exit"), exit, 1.0, False, "")) for n in attempts]
            await store.commit(a_commit(story=story, deaths=deaths), durable=False)
        assert len(await store.story("a", ALL)) == len(await store.deaths("a", ALL)) == KEPT
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM story").fetchone() == (KEPT,)
        assert database.execute("SELECT count(*) FROM deaths").fetchone()[0] <= KEPT + 16


async def test_close_leaves_one_file(path: Path) -> None:
    """The write-ahead log is moved into the database, so that a copy of the one file is a whole backup."""
    async with opened(path) as store:
        await store.commit(a_commit(facts={"boot": "x"}), durable=False)
        assert len(list(path.parent.iterdir())) == 3
    assert list(path.parent.iterdir()) == [path]


def test_any_loop_will_do(path: Path) -> None:
    """Under uvloop as under asyncio."""
    uvloop = pytest.importorskip("uvloop")

    async def use() -> Snapshot:
        async with opened(path) as store:
            await store.commit(a_commit(facts={"boot": "x"}), durable=True)
            return await store.load()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(use()) == Snapshot([], {"boot": "x"})


# --- kill -9 --------------------------------------------------------------------------------------------------------

COMMITTER = """
import asyncio, sys
from pathlib import Path
from beeyard.adapters.stores.sqlite import SqliteStore
from beeyard.ports.store import ANY, Put, StoryEntry
from tests.fakes.store import a_commit, a_worker

async def main():
    store = await SqliteStore.open(Path(sys.argv[1]))
    known = await store.load()
    revision = known.workers[0][1] if known.workers else 0
    while True:
        put = Put(a_worker("a", turn=revision, text="x" * 3000), revision, revision + 1)
        story = [StoryEntry("a", 1.0, "", "", str(revision))]
        await store.commit(a_commit(put, story=story, facts={"turn": str(revision)}), durable=revision % 7 == 0)
        revision += 1
        print(revision, flush=True)

asyncio.run(main())
"""


async def test_kill_loses_nothing_that_was_acknowledged(path: Path) -> None:
    """Ten times killed in the middle of its work; each time all is there that a commit had returned for, and whole."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    acknowledged = 0
    for round in range(10):
        command = [sys.executable, "-c", COMMITTER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
            assert child.stdout
            started = int(child.stdout.readline())
            assert started == acknowledged + 1
            time.sleep(0.01 + 0.013 * round)
            child.send_signal(signal.SIGKILL)
            acknowledged = max([started, *(int(line) for line in child.stdout if line.endswith("\n"))])
        async with opened(path) as store:
            [(worker, revision)] = (await store.load()).workers
            assert acknowledged <= revision <= acknowledged + 1
            acknowledged = revision
            assert worker.spec.run["turn"] == revision - 1
            assert (await store.load()).facts == {"turn": str(revision - 1)}
            assert (await store.story("a", 1))[0].what == str(revision - 1)
