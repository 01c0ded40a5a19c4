"""What every journal does, wherever ever its entries stand."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from beeyard.adapters.journal import FileJournal, check_lines
from beeyard.domain.errors import Invalid, Unavailable
from beeyard.ports.journal import START, Head, Journal, Record, Verdict
from tests.fakes.journal import FakeJournal, a_record

OPENERS: dict[str, Callable[[Path], Awaitable[Journal]]] = {"file": FileJournal.open, "fake": FakeJournal.open}


@pytest.fixture(params=OPENERS)
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    """An empty journal of each kind."""
    journal = await OPENERS[request.param](tmp_path / "journal")
    try:
        yield journal
    finally:
        await journal.close()


async def exported(journal: Journal) -> list[bytes]:
    """All its lines."""
    return b"".join([piece async for piece in journal.export()]).splitlines(keepends=True)


async def test_a_new_journal_is_empty(journal: Journal) -> None:
    """Nothing was written, nothing is wrong."""
    assert journal.head() == START
    assert await journal.read(limit=10) == []
    assert await journal.verify() == Verdict(0, START, "")
    assert await exported(journal) == []


@pytest.mark.parametrize("durable", [False, True])
async def test_what_was_appended_is_read_newest_first(journal: Journal, durable: bool) -> None:
    """Numbers count from 1, each entry carries the hash of the one before, and all fields come back."""
    full = Record(
        at=1.5,
        what="worker_stop",
        who="ada",
        operator="grace",
        origin="unix:1000",
        reason='she said "now", é \U0001f41d\n',
        asked={"worker": "web", "deep": [{"a": None, "b": 1.25, "c": -7}]},
        outcome="ok",
        ref=1,
    )
    assert [await journal.append(record, durable=durable) for record in (a_record("start"), full)] == [1, 2]
    second, first = await journal.read(limit=10)
    assert (first.seq, first.record, first.prev) == (1, a_record("start"), START.hash)
    assert (second.seq, second.record, second.prev) == (2, full, first.hash)
    assert journal.head() == Head(2, second.hash)
    assert await journal.verify() == Verdict(2, Head(2, second.hash), "")


async def test_reading_goes_back_page_by_page(journal: Journal) -> None:
    """`before` is not among them, and a limit of nothing gives nothing."""
    for number in range(1, 8):
        await journal.append(a_record(f"entry {number}"), durable=False)

    async def numbers(before: int | None, limit: int) -> list[int]:
        return [entry.seq for entry in await journal.read(before=before, limit=limit)]

    assert await numbers(None, 3) == [7, 6, 5]
    assert await numbers(5, 3) == [4, 3, 2]
    assert await numbers(2, 3) == [1]
    assert await numbers(1, 3) == await numbers(None, 0) == await numbers(None, -1) == await numbers(-5, 3) == []
    assert await numbers(100, 100) == [7, 6, 5, 4, 3, 2, 1]


async def test_appended_at_once_they_are_told_apart(journal: Journal) -> None:
    """Each caller gets the number of its own entry, and they stand in the order they were asked for."""
    asked = [journal.append(a_record(f"entry {n}"), durable=n % 3 == 0) for n in range(50)]
    assert await asyncio.gather(*asked) == list(range(1, 51))
    assert [entry.record.what for entry in await journal.read(limit=99)] == [f"entry {n}" for n in range(49, -1, -1)]
    assert (await journal.verify()).problem == ""


async def test_lines_are_json_that_anyone_can_check(journal: Journal) -> None:
    """Fields in their order, empty ones left out, and a hash over exactly the bytes before it."""
    await journal.append(a_record("start", outcome="ok", asked={"worker": "web"}), durable=False)
    await journal.append(a_record("stop"), durable=False)
    first, second = await exported(journal)
    hash = json.loads(first)["hash"]
    assert first == (
        b'{"seq":1,"at":1000.0,"what":"start","who":"ada","asked":{"worker":"web"},"outcome":"ok","prev":"%s",'
        b'"hash":"%s"}\n'
    ) % (b"0" * 64, hash.encode())
    assert hash == sha256(first.replace(f',"hash":"{hash}"'.encode(), b"").rstrip(b"\n")).hexdigest()
    assert list(json.loads(second)) == ["seq", "at", "what", "who", "prev", "hash"]
    assert json.loads(second)["prev"] == hash


async def test_an_export_can_be_checked_elsewhere(journal: Journal) -> None:
    """It is the whole chain, in the form that is checked here too."""
    for number in range(20):
        await journal.append(a_record(f"entry {number}"), durable=False)
    lines = await exported(journal)
    assert check_lines(lines, journal.head()) == await journal.verify() == Verdict(20, journal.head(), "")
    assert check_lines(lines[:7] + lines[8:], name="copy.jsonl").problem.startswith(
        "copy.jsonl:8: entry 9: entry 8 was"
    )


async def test_a_head_seen_before_has_to_be_there(journal: Journal) -> None:
    """A missing end, and another entry in its place, are what the chain alone can't show."""
    await journal.append(a_record("start"), durable=True)
    seen = journal.head()
    await journal.append(a_record("stop"), durable=True)
    head = journal.head()
    assert await journal.verify(seen) == await journal.verify(head) == Verdict(2, head, "")
    later = await journal.verify(Head(5, "a" * 64))
    assert later == Verdict(2, head, "the end is missing: entry 5 was seen before, the last one is 2")
    [place, fault] = (await journal.verify(Head(1, "a" * 64))).problem.split(":1: ")
    assert fault == f"entry 1: it was seen before with the hash {'a' * 64}, now it has {seen.hash}"
    assert place in ("line", "000001.jsonl")


async def test_a_cancelled_caller_does_not_undo_its_entry(journal: Journal) -> None:
    """It stands there, and those who did not give up get their numbers."""
    first = asyncio.create_task(journal.append(a_record("first"), durable=True))
    second = asyncio.create_task(journal.append(a_record("second"), durable=True))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 2
    assert [entry.record.what for entry in await journal.read(limit=9)] == ["second", "first"]


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("caf\udce9", "caf\\udce9"),
        ("\x00\x1f\u2028\ufeff", "\x00\x1f\u2028\ufeff"),
        ('","hash":"' + "0" * 64 + '"}', '","hash":"' + "0" * 64 + '"}'),
        ("{worker}", "{worker}"),
    ],
)
async def test_any_text_can_be_written_down(journal: Journal, told: str, kept: str) -> None:
    """Bytes that are no UTF-8, which Python carries in names and arguments, are spelled out."""
    await journal.append(a_record(told, reason=told, asked={told: [told, {"deep": told}]}), durable=False)
    await journal.append(a_record(), durable=False)
    assert (await journal.read(limit=2))[1].record == a_record(kept, reason=kept, asked={kept: [kept, {"deep": kept}]})
    assert (await journal.verify()).problem == ""


async def test_what_could_not_be_read_again_is_not_written(journal: Journal) -> None:
    """The caller has a bug, and the journal stays as it is."""
    for bad in (a_record(at=math.nan), a_record(at=math.inf), a_record(who=None)):
        with pytest.raises(msgspec.ValidationError):
            await journal.append(bad, durable=False)
    with pytest.raises(TypeError):
        await journal.append(a_record(asked={"it": object()}), durable=False)
    with pytest.raises(
        Invalid, match=r"^start can't be written down: it is \d+ bytes long, and the journal takes 16777"
    ):
        await journal.append(a_record(asked={"it": "x" * 16 * 1024**2}), durable=False)
    assert journal.head() == START
    assert await journal.append(a_record(asked={"it": "x" * 15 * 1024**2}), durable=False) == 1
    assert await journal.append(a_record(), durable=False) == 2
    assert [entry.seq for entry in await journal.read(limit=2)] == [2, 1]
    assert (await journal.verify()).problem == ""


async def test_a_closed_journal_says_so(journal: Journal) -> None:
    """Closing twice is harmless, and what was asked before is done."""
    asked = asyncio.create_task(journal.append(a_record(), durable=False))
    await asyncio.sleep(0)
    await journal.close()
    await journal.close()
    assert await asked == 1
    for late in (journal.append(a_record(), durable=True), journal.read(limit=1), journal.verify(), exported(journal)):
        with pytest.raises(Unavailable, match="the journal is closed"):
            await late
    assert journal.head().seq == 1


async def test_a_fake_that_is_unwritable_says_so() -> None:
    """As the real one does on a full disk; and it works again afterwards."""
    journal = FakeJournal()
    journal.failing = "No space left on device"
    with pytest.raises(Unavailable, match="can't be written: No space left on device") as unavailable:
        await journal.append(a_record(), durable=True)
    assert (unavailable.value.code, journal.refused, journal.head()) == ("journal_unwritable", 1, START)
    journal.failing = ""
    assert await journal.append(a_record(), durable=True) == 1
    assert (journal.records(), journal.durable) == ([a_record()], [1])
