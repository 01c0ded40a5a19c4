"""What only a journal in files has to get right: torn, changed and missing lines, full disks, kills, who waits."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beeyard.adapters.journal import FileJournal, chain, check_lines, segments, writer
from beeyard.domain.errors import Unavailable
from beeyard.ports.journal import START, Head, Verdict
from tests.disks import fill, mounted
from tests.fakes.journal import a_record


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[FileJournal]:
    """A journal that is closed again."""
    journal = await FileJournal.open(folder)
    try:
        yield journal
    finally:
        await journal.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the journal is to be; a space and a percent sign must not matter."""
    return tmp_path / "100% state?" / "journal"


async def append(journal: FileJournal, *whats: str, durable: bool = False) -> None:
    """One after the other."""
    for what in whats:
        await journal.append(a_record(what), durable=durable)


async def filled(folder: Path, count: int = 5) -> tuple[bytes, Head]:
    """A closed journal of some entries: the bytes of its only segment, and its head."""
    async with opened(folder) as journal:
        await append(journal, *(f"entry {number}" for number in range(1, count + 1)))
        return (folder / "000001.jsonl").read_bytes(), journal.head()


async def whats(journal: FileJournal) -> list[str]:
    """What was written down, the oldest first."""
    return [entry.record.what for entry in reversed(await journal.read(limit=10_000))]


def chained(count: int, before: Head = START, size: int = 0) -> list[bytes]:
    """Lines of entries, each with a text of this size."""
    lines = []
    for number in range(count):
        line, before = chain.seal(chain.encode(a_record(f"entry {number}", reason="x" * size)), before)
        lines.append(line)
    return lines


# --- files ----------------------------------------------------------------------------------------------------------


async def test_files_are_private_and_whole_lines(folder: Path) -> None:
    """Made with the folder above it, for the owner alone; closed, only the segment lies there."""
    data, head = await filled(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [(file.name, file.stat().st_mode & 0o777) for file in folder.iterdir()] == [("000001.jsonl", 0o600)]
    assert data.count(b"\n") == 5
    assert data.endswith(b'"hash":"' + head.hash.encode() + b'"}\n')


async def test_segments_roll_and_the_chain_goes_on_over_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also over restarts; each segment takes entries until it has its size."""
    monkeypatch.setattr(writer, "SEGMENT", 1000)
    for start in range(0, 40, 10):
        async with opened(folder) as journal:
            await append(journal, *(f"entry {number}" for number in range(start, start + 10)), durable=start == 10)
    async with opened(folder) as journal:
        assert await whats(journal) == [f"entry {number}" for number in range(40)]
        assert await journal.verify() == Verdict(40, journal.head(), "")
        assert [entry.seq for before in range(41, 0, -1) for entry in await journal.read(before=before, limit=1)] == [
            *range(40, 0, -1)
        ]
        data = b"".join([piece async for piece in journal.export()])
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == [f"{number:06d}.jsonl" for number in range(1, len(files) + 1)]
    assert len(files) > 5
    assert all(1000 <= file.stat().st_size < 1300 for file in files[:-1])
    assert data == b"".join(file.read_bytes() for file in files)


async def test_what_is_not_ours_is_left_alone(folder: Path) -> None:
    """Neither read nor written, also where its name comes near."""
    folder.mkdir(parents=True)
    names = "notes.txt", "1.jsonl", "0000001.jsonl", "000002.jsonl.gz", "x000003.jsonl", "000004.jsonl~", "٠٠٠٠٠٩.jsonl"
    for name in names:
        (folder / name).write_text("not ours")
    (folder / "000009.jsonl").mkdir()
    _, head = await filled(folder)
    async with opened(folder) as journal:
        assert await journal.verify() == Verdict(5, head, "")
        await append(journal, "another")
    assert {file.name for file in folder.iterdir()} == {*names, "000001.jsonl", "000009.jsonl"}
    assert {(folder / name).read_text() for name in names} == {"not ours"}


async def test_a_foreign_file_in_a_segments_place_is_passed_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not written to, and once it is among ours, it is told of."""
    monkeypatch.setattr(writer, "SEGMENT", 300)
    async with opened(folder) as journal:
        await append(journal, "first")
        (folder / "000002.jsonl").write_text("not ours\n")
        await append(journal, "second", "third", "fourth")
        assert (await journal.verify()).problem.startswith("000002.jsonl:1: entry 3 can't be read: it does not end in")
        assert await whats(journal) == ["first", "second", "third", "fourth"]
    assert (folder / "000002.jsonl").read_text() == "not ours\n"


@pytest.mark.parametrize("damage", ["a file", "a folder of the system", "not to be opened"])
async def test_a_folder_that_can_not_be_used_is_unavailable(folder: Path, damage: str) -> None:
    """The error names the path and the reason."""
    if damage == "a file":
        folder.parent.mkdir()
        folder.write_text("")
    elif damage == "a folder of the system":
        folder = Path("/sys/journal")
    else:
        folder.mkdir(parents=True)
        (folder / "000001.jsonl").symlink_to("/sys/kernel/notes")
    with pytest.raises(Unavailable) as unavailable:
        await FileJournal.open(folder)
    assert unavailable.value.code == "journal_unwritable"
    assert re.match(f"the journal {re.escape(str(folder))}.* can't be written: [A-Z]", str(unavailable.value))
    assert "make room on the disk" in unavailable.value.hint


# --- torn lines -----------------------------------------------------------------------------------------------------


async def test_a_line_torn_anywhere_is_cut_off_and_told_of(folder: Path) -> None:
    """A power cut in the middle of a write: all before it is there, and what was cut off is in the entry about it."""
    data, _ = await filled(folder, 3)
    start = data.rindex(b"\n", 0, -1) + 1
    for cut in range(start, len(data)):
        (folder / "000001.jsonl").write_bytes(data[:cut])
        async with opened(folder) as journal:
            mended = [entry.record for entry in await journal.read(limit=9) if entry.record.what == "journal_mended"]
            torn = {"file": "000001.jsonl", "bytes": cut - start, "torn": data[start:cut].decode()}
            assert [record.asked for record in mended] == ([torn] if cut > start else [])
            await append(journal, "next")
            assert await whats(journal) == ["entry 1", "entry 2", *["journal_mended"] * (cut > start), "next"]
            assert await journal.verify() == Verdict(3 + (cut > start), journal.head(), "")
    assert [file.name for file in folder.iterdir()] == ["000001.jsonl"]


@pytest.mark.parametrize("torn", [bytes(5000), b"\xff" * 5000, "é".encode() * 3000, b"x" * 300_000])
async def test_what_was_torn_is_kept_in_short(folder: Path, torn: bytes) -> None:
    """Whatever a power cut left there is escaped, and no more than 2000 characters of it."""
    data, _ = await filled(folder)
    (folder / "000001.jsonl").write_bytes(data + torn)
    async with opened(folder) as journal:
        [mended] = await journal.read(limit=1)
        assert (mended.record.what, mended.record.asked["bytes"]) == ("journal_mended", len(torn))
        text = mended.record.asked["torn"]
        assert torn.decode("utf-8", "backslashreplace").startswith(text[:900])
        assert 1000 <= len(text) <= 2000
        assert (await journal.verify()).problem == ""


async def test_the_first_line_of_a_segment_may_be_torn(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The head is then in the segment before; a segment without any line is gone on with."""
    monkeypatch.setattr(writer, "SEGMENT", 300)
    async with opened(folder) as journal:
        await append(journal, "first", "second", "third")
        head = Head(2, (await journal.read(limit=2))[1].hash)
    for torn, mended in ((b"", []), (b'{"seq"', ["journal_mended"])):
        (folder / "000002.jsonl").write_bytes(torn)
        async with opened(folder) as journal:
            assert await whats(journal) == ["first", "second", *mended]
            assert (await journal.verify(head)).problem == ""
    assert sorted(file.name for file in folder.iterdir()) == ["000001.jsonl", "000002.jsonl"]


# --- changed lines --------------------------------------------------------------------------------------------------

LINES = chained(6)
TEXT = b"".join(LINES)
HEAD = Head(6, chain.parse(LINES[-1][:-1]).hash)


def placed(folder: Path, *texts: bytes) -> None:
    """These segments, and no others."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number, text in enumerate(texts, 1):
        (folder / f"{number:06d}.jsonl").write_bytes(text)


async def verified(folder: Path, known: Head) -> Verdict:
    """What a journal that is opened anew says of these files."""
    async with opened(folder) as journal:
        return await journal.verify(known)


@given(st.integers(0, len(TEXT) - 1), st.integers(1, 255))
@settings(max_examples=1000)
def test_a_byte_changed_anywhere_is_found(position: int, difference: int) -> None:
    """In what was said, in a hash, in the JSON around it, in a newline; and it is found in its place."""
    changed = bytearray(TEXT)
    changed[position] ^= difference
    verdict = check_lines(bytes(changed).splitlines(keepends=True), HEAD, name="file")
    line = TEXT.count(b"\n", 0, position) + 1
    assert verdict.problem.startswith(f"file:{line}: ")


@given(st.integers(0, len(TEXT) - 1), st.integers(1, 255), st.booleans())
@settings(max_examples=100)
def test_a_byte_changed_in_a_file_is_found(position: int, difference: int, running: bool) -> None:
    """While the journal is open, and when it is opened afterwards by somebody who knows its head."""

    async def look(folder: Path) -> Verdict:
        placed(folder, TEXT)
        changed = bytearray(TEXT)
        changed[position] ^= difference
        if not running:
            placed(folder, bytes(changed))
            return await verified(folder, HEAD)
        async with opened(folder) as journal:
            (folder / "000001.jsonl").write_bytes(changed)
            return await journal.verify()

    with TemporaryDirectory() as name:
        problem = asyncio.run(look(Path(name, "journal"))).problem
    line = TEXT.count(b"\n", 0, position) + 1
    torn = position == len(TEXT) - 1 and not running
    assert problem.startswith("000001.jsonl:6: entry 6: it was seen before" if torn else f"000001.jsonl:{line}: entry ")


@given(st.data())
def test_a_line_removed_doubled_or_moved_is_found(data: st.DataObject) -> None:
    """At the end too, by whoever knows the head."""
    lines = list(LINES)
    at = data.draw(st.integers(0, 5))
    line = lines.pop(at)
    if data.draw(st.booleans()):
        lines.insert(data.draw(st.integers(0, 5).filter(lambda to: to != at)), line)
    elif data.draw(st.booleans()):
        lines[at:at] = [line, line]
    assert check_lines(lines, HEAD).problem != ""


@given(st.permutations(LINES), st.integers(0, 6))
def test_no_other_row_of_the_lines_will_do(lines: list[bytes], count: int) -> None:
    """Whatever is taken from them, in whatever order."""
    assert (check_lines(lines[:count], HEAD).problem == "") == (lines[:count] == LINES)


def test_problems_say_what_was_found_and_what_was_expected() -> None:
    """One change is one problem; what is wrong elsewhere is told as well."""
    entries = [chain.parse(line[:-1]) for line in LINES]
    hashes = [entry.hash for entry in entries]
    assert check_lines([*LINES[:2], *LINES[3:]]) == Verdict(
        5,
        HEAD,
        f"line:3: entry 4: entry 3 was expected here; the hash before it is {hashes[1]}, but it was {hashes[2]} when"
        " this was written",
    )
    changed = LINES[1].replace(b'"ada"', b'"eve"')
    right = chain.computed(changed[:-1])
    broken = f"line:2: entry 2: its hash is {hashes[1]}, but what stands in it has {right}"
    assert check_lines([LINES[0], changed, *LINES[2:]]) == Verdict(6, HEAD, broken)
    rehashed = LINES[1].replace(b'"hash":"' + hashes[1][:4].encode(), b'"hash":"beef')
    stated = "beef" + hashes[1][4:]
    assert check_lines([LINES[0], rehashed, *LINES[2:]]) == Verdict(
        6, HEAD, f"line:2: entry 2: its hash is {stated}, but what stands in it has {hashes[1]}"
    )
    unreadable = "line:5: entry 5 can't be read: it does not end in a hash"
    assert check_lines([LINES[0], changed, *LINES[2:4], b"nonsense", LINES[5]]) == Verdict(
        6, HEAD, f"{broken}\n{unreadable}"
    )
    assert check_lines(LINES[:4], HEAD).problem == "the end is missing: entry 6 was seen before, the last one is 4"
    forged = chained(1, Head(0, hashes[0]))[0].replace(b'"who":"ada",', b"")
    body = forged[:-76] + b"}"
    forged = body[:-1] + b',"hash":"%s"}\n' % chain.computed(body).encode()
    assert check_lines([forged]).problem == "line:1: entry 1 can't be read: Object missing required field `who`"
    many = check_lines([b"%d\n" % number for number in range(20)]).problem.splitlines()
    assert many[7:] == ["line:8: entry 8 can't be read: it does not end in a hash", "and 12 more"]


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"{}",
        b"\xff" * 100,
        bytes(100),
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"seq":1e400,"at":1,"what":"a","who":"a","prev":""',
        b'{"seq":0,"at":1,"what":"a","who":"a","prev":""',
        b'{"seq":true,"at":1,"what":"a","who":"a","prev":""',
        b'{"seq":7,"at":1,"what":"\xff","who":"a","prev":""',
        b'{"seq":7,"at":1,"what":"\\ud800","who":"a","prev":""',
        b'{"seq":7,"at":1,"what":"a","who":"a","asked":{"a":1e999},"prev":""',
        b'{"seq":7,"at":1,"what":"a","who":"a","asked":' + b'{"a":' * 200_000,
        b'{"seq":7,"at":1,"what":"a","who":"a","asked":{"a":' + b"1" * 5000 + b'},"prev":""',
        b'{"seq":%d,"at":1,"what":"a","who":"a","prev":""' % 10**300,
    ],
    ids=range(15),
)
@pytest.mark.parametrize("hashed", [False, True])
async def test_no_line_is_too_bad_to_be_checked(folder: Path, bad: bytes, hashed: bool) -> None:
    """It is a problem like others, to read past and to write after; the entries around it are found right."""
    if hashed:
        bad = bad + b',"hash":"%s"}' % chain.computed(bad + b"}").encode()
    after = chained(1, Head(7, "a" * 64))
    for texts in ((TEXT + bad + b"\n",), (TEXT + bad + b"\n" + after[0],), (TEXT + bad + b"\n", after[0])):
        placed(folder, *texts)
        async with opened(folder) as journal:
            assert [entry.seq for entry in await journal.read(limit=99) if entry.seq < 7] == [6, 5, 4, 3, 2, 1]
            await append(journal, "next")
            problem = (await journal.verify()).problem
            assert problem.startswith("000001.jsonl:7: entry 7")
            assert "\n" not in problem


# --- a damaged end --------------------------------------------------------------------------------------------------


DAMAGES = [
    (b'"ada"', b'"eve"'),
    (b'"hash":"' + HEAD.hash[:4].encode(), b'"hash":"beef'),
    (b'"hash":"', b'"HASH":"'),
    (b'{"seq":6', b'{"seq":9'),
    (b'{"seq":6', b'["seq":6'),
    (b'"}\n', b'"]\n'),
    (b"entry", b"\0\0\0\0\0"),
    (b"entry", b"ent\ny"),
]


@pytest.mark.parametrize(("right", "wrong"), DAMAGES)
async def test_after_a_damaged_last_line_a_new_segment_goes_on(folder: Path, right: bytes, wrong: bytes) -> None:
    """The line is left as it is, the count goes on, and the problem is told of once, at this line, for ever."""
    start = TEXT.rindex(b"\n", 0, -1) + 1
    changed = TEXT[:start] + TEXT[start:].replace(right, wrong)
    assert changed != TEXT
    placed(folder, changed)
    lines = 1 + (b"\n" in wrong[:-1])
    for restart in range(3):
        async with opened(folder) as journal:
            assert journal.head().seq == 5 + lines + restart
            problems = (await journal.verify()).problem.splitlines()
            assert len(problems) == lines
            assert problems[0].startswith("000001.jsonl:6: entry ")
            await append(journal, f"after {restart}")
    assert (folder / "000001.jsonl").read_bytes() == changed
    assert sorted(file.name for file in folder.iterdir()) == ["000001.jsonl", "000002.jsonl"]
    second = chain.parse((folder / "000002.jsonl").read_bytes().split(b"\n")[0])
    assert (second.seq, second.record.what) == (6 + lines, "after 0")


async def test_starting_again_and_again_makes_no_more_segments(folder: Path) -> None:
    """One new segment is enough, also while nothing is written into it."""
    placed(folder, TEXT.replace(b'"entry 5"', b'"entry X"'))
    for _ in range(3):
        async with opened(folder) as journal:
            assert journal.head() == HEAD
    assert sorted(file.name for file in folder.iterdir()) == ["000001.jsonl", "000002.jsonl"]


async def test_a_torn_line_behind_a_damaged_one_is_cut_off_all_the_same(folder: Path) -> None:
    """The damaged one stays, and the entry about the torn one begins the new segment."""
    changed = TEXT.replace(b'"entry 5"', b'"entry X"')
    placed(folder, changed + b'{"seq":7,')
    async with opened(folder) as journal:
        [mended] = await journal.read(limit=1)
        assert (mended.seq, mended.record.asked["torn"]) == (7, '{"seq":7,')
        assert (await journal.verify()).problem.count("\n") == 0
    assert (folder / "000001.jsonl").read_bytes() == changed
    assert (folder / "000002.jsonl").read_bytes().count(b"\n") == 1


async def test_nothing_but_nonsense_is_left_alone(folder: Path) -> None:
    """Each line of it counts as an entry; the chain begins after them."""
    placed(folder, b"one\ntwo\nthree\n")
    async with opened(folder) as journal:
        await append(journal, "first")
        assert (journal.head().seq, await whats(journal)) == (4, ["first"])
        assert (await journal.verify()).problem.count("\n") == 2
    assert (folder / "000001.jsonl").read_bytes() == b"one\ntwo\nthree\n"


# --- missing segments -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("removed", "problems"),
    [
        ([1], ["000001.jsonl: missing", "000002.jsonl:1: entry 3: entry 1 was expected here"]),
        ([1, 2], ["000001.jsonl to 000002.jsonl: missing", "000003.jsonl:1: entry 5: entry 1 was expected here"]),
        ([2], ["000002.jsonl: missing", "000003.jsonl:1: entry 5: entry 3 was expected here"]),
        ([3], ["the end is missing: entry 6 was seen before, the last one is 4"]),
        ([1, 2, 3], ["the end is missing: entry 6 was seen before, the last one is 0"]),
    ],
)
@pytest.mark.parametrize("running", [False, True])
async def test_missing_segments_are_named(folder: Path, removed: list[int], problems: list[str], running: bool) -> None:
    """The first ones, one in between, and the last ones as far as the head is known."""
    placed(folder, *(b"".join(LINES[at : at + 2]) for at in (0, 2, 4)))
    paths = [folder / f"{number:06d}.jsonl" for number in removed]
    if not running:
        for path in paths:
            path.unlink()
    async with opened(folder) as journal:
        if running:
            for path in paths:
                path.unlink()
        found = (await journal.verify(START if running else HEAD)).problem.splitlines()
    assert len(found) == len(problems)
    assert all(told.startswith(problem) for told, problem in zip(found, problems, strict=True))


async def test_a_newline_missing_between_segments_is_found(folder: Path) -> None:
    """Every byte counts, also the last one of a file that is long full."""
    placed(folder, b"".join(LINES[:3])[:-1], b"".join(LINES[3:]))
    assert (await verified(folder, HEAD)).problem == "000001.jsonl:3: entry 3: no newline ends it"
    placed(folder, b"".join(LINES[:3])[:-9], b"".join(LINES[3:]))
    problem = "000001.jsonl:3: entry 3 can't be read: it does not end in a hash"
    assert (await verified(folder, HEAD)).problem == problem


# --- files changed while the journal is open ------------------------------------------------------------------------


def moved(path: Path) -> None:
    path.rename(path.with_suffix(".old"))


def removed(path: Path) -> None:
    path.unlink()


def all_removed(path: Path) -> None:
    shutil.rmtree(path.parent)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def shortened(path: Path) -> None:
    os.truncate(path, 300)


def written_to(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"half a li")


def replaced(path: Path) -> None:
    copy = path.with_suffix(".copy")
    shutil.copy(path, copy)
    copy.rename(path)


@pytest.mark.parametrize("change", [moved, removed, all_removed, emptied, shortened, written_to, replaced])
async def test_a_file_that_somebody_changed_is_not_gone_on_with(folder: Path, change: Callable[[Path], None]) -> None:
    """The next entry begins a new segment: nothing is written where nobody will look for it, nothing in between."""
    async with opened(folder) as journal:
        await append(journal, "first", "second")
        path = folder / "000001.jsonl"
        change(path)
        left = path.read_bytes() if path.exists() else None
        await append(journal, "third", durable=True)
        assert (path.read_bytes() if path.exists() else None) == left
        assert (folder / "000002.jsonl").read_bytes().count(b"\n") == 1
        problem = (await journal.verify()).problem
        assert (problem == "") == (change is replaced)  # byte for byte the same
    async with opened(folder) as journal:
        assert (await whats(journal))[-1] == "third"
        assert (await journal.verify()).problem == problem


# --- a disk that does not take it -----------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    with mounted(tmp_path / "disk", "size=256k") as folder:
        yield folder


async def refused(journal: FileJournal, what: str = "refused", size: int = 0, durable: bool = True) -> str:
    """Append it; the reason why that failed, or nothing."""
    try:
        await journal.append(a_record(what, reason="x" * size), durable=durable)
    except Unavailable as error:
        return str(error) if error.code == "journal_unwritable" else error.code
    return ""


async def test_a_full_disk_takes_nothing_half_and_recovers(small_disk: Path) -> None:
    """Small entries may still go in where large ones don't; whoever was told a number has his entry, nobody else."""
    folder, filler, written = small_disk / "journal", small_disk / "filler", ["first"]
    async with opened(folder) as journal:
        await append(journal, "first")
        fill(filler)
        reasons = set()
        for turn in range(60):
            what = f"turn {turn}"
            reason = await refused(journal, what, size=(turn * 977) % 9000, durable=turn % 2 == 0)
            reasons |= {reason} - {""}
            written += [what] if not reason else []
            assert journal.head().seq == len(written)
            assert (folder / "000001.jsonl").read_bytes().endswith(b'"}\n')
        assert reasons == {f"the journal {folder}/000001.jsonl can't be written: No space left on device"}
        at_once = await asyncio.gather(*(refused(journal, size=5000) for _ in range(20)))
        assert set(at_once) == reasons
        filler.unlink()
        await append(journal, "last", durable=True)
        assert await whats(journal) == [*written, "last"]
        assert (await journal.verify()).problem == ""
    async with opened(folder) as journal:
        assert await whats(journal) == [*written, "last"]


async def test_a_full_disk_keeps_no_journal_from_opening(small_disk: Path) -> None:
    """A torn line is cut off; the entry about it is written before the first one that finds room."""
    folder, filler = small_disk / "journal", small_disk / "filler"
    await filled(folder)
    with (folder / "000001.jsonl").open("ab") as file:
        file.write(b'{"seq":6,"a' + bytes(3500))
        file.truncate(4096)  # a page, which is what this file system counts
    fill(filler)
    with (folder / "000001.jsonl").open("r+b") as file:
        file.truncate(4096)
    async with opened(folder) as journal:
        assert journal.head().seq == 5
        assert "No space left" in await refused(journal, size=5000)
        filler.unlink()
        await append(journal, "next")
        assert (await whats(journal))[-2:] == ["journal_mended", "next"]
        assert await journal.read(limit=1) == await journal.read(before=8, limit=1)
        assert (await journal.verify()).problem == ""


async def test_a_disk_full_at_the_first_start_keeps_nobody_from_starting(small_disk: Path) -> None:
    """What has to be written down is refused until there is room."""
    subprocess.run(["mount", "-o", "remount,nr_inodes=2", str(small_disk)], check=True)
    async with opened(small_disk / "journal") as journal:
        assert "No space left on device" in await refused(journal)
        subprocess.run(["mount", "-o", "remount,nr_inodes=9", str(small_disk)], check=True)
        await append(journal, "first")
        assert await whats(journal) == ["first"]


async def test_what_is_surely_on_the_disk_is_what_was_appended_durably(folder: Path) -> None:
    """And only that: an entry in the kernel's memory may be gone after a power cut."""
    async with opened(folder) as journal:
        await append(journal, "first", durable=True)
        first = journal.head()
        await append(journal, "second")
        assert journal.synced() == first
    async with opened(folder) as journal:
        assert journal.synced() == START


async def test_a_disk_that_turns_read_only_is_unavailable(small_disk: Path) -> None:
    """At the next segment, or as soon as a file is opened; reading goes on."""
    folder = small_disk / "journal"
    _, head = await filled(folder)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(Unavailable, match=r"000001\.jsonl can't be written: Read-only file system"):
        await FileJournal.open(folder)
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert (await verified(folder, head)).problem == ""


class Trouble:
    """Makes a call of the system fail as often as is said, after it was `spared` so often; `calls` counts them all."""

    def __init__(self, patch: pytest.MonkeyPatch, name: str) -> None:
        self.times = self.spared = self.calls = 0
        self._real = getattr(os, name)
        patch.setattr(os, name, self)

    def __call__(self, *given: object) -> object:
        self.calls += 1
        if self.times and not self.spared:
            self.times -= 1
            raise OSError(5, "Input/output error")
        self.spared = max(0, self.spared - 1)
        return self._real(*given)


async def test_a_failed_fsync_takes_the_entry_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can say whether it is on the disk, so it is not in the journal; the next one takes its number."""
    trouble = Trouble(monkeypatch, "fsync")
    async with opened(folder) as journal:
        await append(journal, "first", durable=True)
        before = (folder / "000001.jsonl").read_bytes()
        trouble.times = 1
        assert await refused(journal) == f"the journal {folder}/000001.jsonl can't be written: Input/output error"
        assert (folder / "000001.jsonl").read_bytes() == before
        assert journal.head().seq == 1
        await append(journal, "second", durable=True)
        assert await whats(journal) == ["first", "second"]
        assert (await journal.verify()).problem == ""


async def test_what_can_not_be_cut_off_is_cut_off_later(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then nothing is written behind it, and no reader sees it."""
    fsync, cut = Trouble(monkeypatch, "fsync"), Trouble(monkeypatch, "ftruncate")
    async with opened(folder) as journal:
        await append(journal, "first", durable=True)
        fsync.times, cut.times = 1, 3
        for _ in range(3):
            assert "Input/output error" in await refused(journal)
            assert (folder / "000001.jsonl").read_bytes().count(b"\n") == 2
            assert (await whats(journal), journal.head().seq) == (["first"], 1)
            assert (await journal.verify()).problem == ""
        await append(journal, "second", durable=True)
        assert await whats(journal) == ["first", "second"]
    assert (folder / "000001.jsonl").read_bytes().count(b"\n") == 2


async def test_what_can_not_be_cut_off_is_cut_off_at_the_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing is the last chance."""
    fsync, cut = Trouble(monkeypatch, "fsync"), Trouble(monkeypatch, "ftruncate")
    async with opened(folder) as journal:
        await append(journal, "first", durable=True)
        fsync.times, cut.times = 1, 1
        assert await refused(journal)
    assert (folder / "000001.jsonl").read_bytes().count(b"\n") == 1


@pytest.mark.parametrize("call", ["fsync", "open"])
@pytest.mark.parametrize("spared", [0, 1])
async def test_a_segment_that_can_not_be_begun_is_begun_later(
    folder: Path, monkeypatch: pytest.MonkeyPatch, call: str, spared: int
) -> None:
    """Also where the new file could be made but its place in the folder not be kept; none is left over."""
    monkeypatch.setattr(writer, "SEGMENT", 1)
    async with opened(folder) as journal:
        await append(journal, "first")
        trouble = Trouble(monkeypatch, call)
        for _ in range(3):
            trouble.spared, trouble.times = spared, 1
            assert "Input/output error" in await refused(journal, durable=False)
            assert [file.name for file in folder.iterdir()] == ["000001.jsonl"]
        await append(journal, "second")
        assert await whats(journal) == ["first", "second"]
        assert (await journal.verify()).problem == ""


async def test_a_file_that_can_not_be_read_is_a_problem(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verifying tells of it and goes on; whoever wants to read it is told that it can't be read now."""
    placed(folder, b"".join(LINES[:3]), b"".join(LINES[3:]))
    real = Path.open

    def failing(path: Path, *given: object, **more: object) -> object:
        if path.name == "000001.jsonl":
            raise OSError(5, "Input/output error", str(path))
        return real(path, *given, **more)  # type: ignore[call-overload]

    async with opened(folder) as journal:
        monkeypatch.setattr(Path, "open", failing)
        told = (await journal.verify(HEAD)).problem.splitlines()
        assert told[0] == "000001.jsonl: can't be read: Input/output error"
        assert told[1].startswith("000002.jsonl:1: entry 4: entry 1 was expected here")
        assert len(await journal.read(limit=3)) == 3
        for asked in (journal.read(limit=4), anext(journal.export())):
            with pytest.raises(Unavailable, match=r"000001\.jsonl can't be read: Input/output error") as unavailable:
                await asked
            assert unavailable.value.code == "journal_unreadable"


# --- who waits for whom ---------------------------------------------------------------------------------------------


async def test_appended_at_once_they_share_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred callers wait for a handful of writes; those that need no disk cost none."""
    fsync, write = Trouble(monkeypatch, "fsync"), Trouble(monkeypatch, "write")
    async with opened(folder) as journal:
        fsync.calls = write.calls = 0
        numbers = await asyncio.gather(*(journal.append(a_record(f"{n}"), durable=True) for n in range(100)))
        assert numbers == list(range(1, 101))
        assert 1 <= fsync.calls == write.calls <= 10
        fsync.calls = 0
        await asyncio.gather(*(journal.append(a_record(f"{n}"), durable=False) for n in range(100)))
        assert fsync.calls == 0
        assert (folder / "000001.jsonl").read_bytes().count(b"\n") == 200
        await append(journal, "durable", durable=True)
        assert fsync.calls == 1


async def test_neither_the_loop_nor_readers_wait_for_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It hangs for a while: what was there before can be read, and the loop notices nothing."""
    async with opened(folder) as journal:
        await append(journal, "first")
        real = os.fsync

        def slow(fd: int) -> None:
            time.sleep(0.4)
            real(fd)

        monkeypatch.setattr(os, "fsync", slow)
        waiting = asyncio.create_task(journal.append(a_record("second"), durable=True))
        longest, last, reads = 0.0, time.monotonic(), 0
        while not waiting.done():
            await asyncio.sleep(0.001)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
            if not reads:
                assert (await whats(journal), (await journal.verify()).entries) == (["first"], 1)
                reads += not waiting.done()
                last = time.monotonic()
        assert (reads, await waiting) == (1, 2)
        assert longest < 0.2


async def test_the_loop_never_touches_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is asked of a journal, other threads do what may block."""
    seen: dict[str, set[threading.Thread]] = {}

    def watched(owner: object, name: str) -> None:
        real = getattr(owner, name)

        def call(*given: object, **more: object) -> object:
            if Path(str(given[0])).is_relative_to(folder) or isinstance(given[0], int):
                seen.setdefault(name, set()).add(threading.current_thread())
            return real(*given, **more)

        monkeypatch.setattr(owner, name, call)

    for name in ("open", "close", "stat", "fstat", "listdir", "write", "pread", "fsync", "ftruncate"):
        watched(os, name)
    for name in ("open", "mkdir", "is_dir", "is_file"):
        watched(Path, name)
    placed(folder, TEXT + b"torn")
    seen.clear()
    async with opened(folder) as journal:
        await append(journal, "first", durable=True)
        await journal.read(limit=10)
        await journal.verify()
        assert [piece async for piece in journal.export()]
    assert set(seen) >= {"open", "close", "stat", "listdir", "write", "pread", "fsync", "ftruncate", "is_file"}
    assert threading.main_thread() not in set().union(*seen.values())


async def test_cancelled_callers_harm_nobody(folder: Path) -> None:
    """Appending, reading, verifying, exporting: given up at any moment, the journal is whole."""
    placed(folder, *(b"".join(LINES[at : at + 2]) for at in (0, 2, 4)))
    async with opened(folder) as journal:
        for turn in range(60):
            tasks = [
                asyncio.create_task(journal.append(a_record(f"{turn}"), durable=True)),
                asyncio.create_task(journal.read(limit=10)),
                asyncio.create_task(journal.verify()),
                asyncio.create_task(anext(journal.export())),  # type: ignore[arg-type]
            ]
            await asyncio.sleep(0.0002 * (turn % 5))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await append(journal, "last")
        assert await whats(journal) == [*(f"entry {n}" for n in range(6)), *(f"{turn}" for turn in range(60)), "last"]
        assert (await journal.verify()).problem == ""


async def test_readers_see_whole_entries_while_others_write(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over many segments: no reader meets half a line, and no verdict is worse for what came meanwhile."""
    monkeypatch.setattr(writer, "SEGMENT", 5000)
    async with opened(folder) as journal:
        writing = [
            asyncio.create_task(append(journal, *(f"{n}" for n in range(200)), durable=bool(n % 2))) for n in range(4)
        ]
        while not all(task.done() for task in writing):
            head, verdict = journal.head(), await journal.verify()
            assert verdict.problem == ""
            assert verdict.entries >= head.seq
            seqs = [entry.seq for entry in await journal.read(limit=100)]
            assert seqs == list(range(max(seqs, default=0), max(seqs, default=0) - len(seqs), -1))
        assert journal.head().seq == 800
        export = journal.export()
        assert check_lines(b"".join([piece async for piece in export]).splitlines(), journal.head()).problem == ""


def test_any_loop_will_do(folder: Path) -> None:
    """Under uvloop as under asyncio."""
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(filled(folder))


def test_a_loop_that_is_gone_harms_nobody(folder: Path) -> None:
    """Whoever waited is gone with it; the entry is there."""

    async def leave() -> None:
        journal = await FileJournal.open(folder)
        task = asyncio.create_task(journal.append(a_record("left behind"), durable=True))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(leave())
    deadline = time.monotonic() + 10
    while not (folder / "000001.jsonl").read_bytes() and time.monotonic() < deadline:
        time.sleep(0.01)

    async def look() -> list[str]:
        async with opened(folder) as journal:
            return await whats(journal)

    assert asyncio.run(look()) == ["left behind"]


# --- large journals -------------------------------------------------------------------------------------------------


def read_from_disk() -> int:
    """Bytes that this process has read."""
    return int(Path("/proc/self/io").read_text().split()[1])


async def test_the_newest_are_read_from_the_end(folder: Path) -> None:
    """Fifty of a full segment cost what fifty take; those of an old segment don't cost the ones between."""
    lines = chained(40_000, size=100)
    placed(folder, *(b"".join(lines[at : at + 20_000]) for at in (0, 20_000)))
    assert (folder / "000002.jsonl").stat().st_size > 5_000_000
    async with opened(folder) as journal:
        for before, budget in ((None, 150_000), (20_001, 150_000)):
            start = read_from_disk()
            found = await journal.read(before=before, limit=50)
            assert read_from_disk() - start < budget
            last = before or 40_001
            assert [entry.seq for entry in found] == list(range(last - 1, last - 51, -1))
        assert [entry.seq for entry in await journal.read(before=15_000, limit=2)] == [14_999, 14_998]


async def test_memory_does_not_grow_with_the_journal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verifying, exporting and reading hold a few pieces of it at most, also of a line that has no end."""
    lines = chained(6000, size=10_000)
    placed(folder, b"".join(lines[:3000]), b"".join(lines[3000:]))
    monkeypatch.setattr(segments, "_ROOM", 1024**2)
    with (folder / "000001.jsonl").open("ab") as file:
        file.write(b"x" * 30 * 1024**2)
    del lines
    async with opened(folder) as journal:
        tracemalloc.start()
        try:
            verdict = await journal.verify()
            size = 0
            async for piece in journal.export():
                size += len(piece)
            assert len(await journal.read(before=3001, limit=1)) == 1
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert size == sum(file.stat().st_size for file in folder.iterdir()) > 80 * 1024**2
    assert verdict.problem.startswith("000001.jsonl:3001: entry 3001 can't be read: it does not end in a hash")
    assert peak < 10 * 1024**2


# --- others that read it --------------------------------------------------------------------------------------------


def test_a_shell_can_check_it() -> None:
    """The lines in the description of the form do what they are said to."""
    script = "\n".join(line for line in (chain.__doc__ or "").splitlines() if line.startswith("    "))

    def told(*lines: bytes) -> str:
        shell = subprocess.run(["sh", "-c", script], input=b"".join(lines), capture_output=True, check=True)
        return (shell.stdout + shell.stderr).decode()

    assert told(*LINES) == ""
    assert told(*LINES[:2], *LINES[3:]) == f"another line stood before {LINES[3].decode()}"
    changed = LINES[2].replace(b"ada", b"eve")
    assert told(*LINES[:2], changed).endswith(f"changed: {changed.decode()}")


async def test_fields_that_a_newer_beeyard_wrote_are_passed_over(folder: Path) -> None:
    """The entry can be read, its hash is right, and the chain goes on after it."""
    encoded = chain.encode(a_record("start"))[:-1] + b',"colour":"blue","nested":{"seq":7}}'
    placed(folder, chain.seal(encoded, START)[0])
    async with opened(folder) as journal:
        await append(journal, "stop")
        assert (await journal.read(limit=9))[1].record == a_record("start")
        assert (await journal.verify()).problem == ""


# --- kill -9 --------------------------------------------------------------------------------------------------------

APPENDER = """
import asyncio, sys
from pathlib import Path
from beeyard.adapters.journal import FileJournal, writer
from tests.fakes.journal import a_record

writer.SEGMENT = 20_000

async def work(journal, number):
    while True:
        seq = await journal.append(a_record(f"by {number}", reason="x" * 300), durable=number % 2 == 0)
        print(seq, number, flush=True)

async def main():
    journal = await FileJournal.open(Path(sys.argv[1]))
    print(journal.head().seq, -1, flush=True)
    await asyncio.gather(*(work(journal, number) for number in range(5)))

asyncio.run(main())
"""


async def test_kill_loses_nothing_that_was_acknowledged(folder: Path) -> None:
    """Ten times killed in the middle of its work; each time all is there that somebody was told the number of."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    known = 0
    for round in range(10):
        command = [sys.executable, "-c", APPENDER, str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
            assert child.stdout
            assert int(child.stdout.readline().split()[0]) == known
            child.stdout.readline()
            time.sleep(0.01 + 0.013 * round)
            child.send_signal(signal.SIGKILL)
            told = [line.split() for line in child.stdout if line.endswith("\n")]
        acknowledged = {int(seq): f"by {number}" for seq, number in told}
        async with opened(folder) as journal:
            verdict = await journal.verify()
            assert verdict.problem == ""
            assert verdict.entries >= max(acknowledged, default=known)
            written = {entry.seq: entry.record.what for entry in await journal.read(limit=100_000)}
            assert {seq: written.get(seq) for seq in acknowledged} == acknowledged
            known = journal.head().seq
    assert len(list(folder.iterdir())) > 1
