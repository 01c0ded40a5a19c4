"""The reader over files as the pump leaves them: made by the pump's own `LogFile`, rotations included."""

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from beeyard.adapters.log_cursor import encode
from beeyard.adapters.log_files import LINE_LIMIT, LogFollower
from beeyard.adapters.logs import MISSING, ROOM, STREAMS, FileLogs
from beeyard.launcher.logfile import LogFile
from beeyard.launcher.paths import Paths
from beeyard.ports.logs import LogLine, Stream
from tests.descriptors import opened


class Writer:
    """One stream written as the pump writes it, at times of the test's choosing."""

    def __init__(self, base: str, max_size: int, max_files: int) -> None:
        self.log = LogFile(base, max_size, max_files)
        self.reading, self.writing = os.pipe2(os.O_NONBLOCK)

    def write(self, data: bytes, at: float) -> None:
        """All of it in one drain at that time."""
        while data:
            data = data[os.write(self.writing, data) :]
            try:
                while True:
                    self.log.take(self.reading, 1 << 20, at)
            except BlockingIOError:
                pass

    def close(self) -> None:
        """All descriptors."""
        self.log.close()
        os.close(self.reading)
        os.close(self.writing)


class Yard:
    """Writers for some workers of one state folder, and the reader."""

    def __init__(self, state: Path) -> None:
        self.paths = Paths(str(state))
        self.logs = FileLogs(self.paths)
        self.writers: list[Writer] = []

    def writer(self, worker: str, stream: Stream = "stdout", max_size: int = 100, max_files: int = 50) -> Writer:
        """What a worker's stream goes through."""
        self.writers.append(Writer(os.path.join(self.paths.worker_logs(worker), stream), max_size, max_files))
        return self.writers[-1]

    async def follow(self, *workers: str, lines: int = 10) -> AsyncGenerator[LogLine, None]:
        """Line by line; a generator, so that it can be closed."""
        async with aclosing(self.logs.read(workers, lines, follow=True)) as batches:
            async for batch in batches:
                for line in batch:
                    yield bare(line)


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    """Closed in the end."""
    made = Yard(tmp_path)
    yield made
    for writer in made.writers:
        writer.close()


async def taken(lines: AsyncGenerator[LogLine, None], count: int) -> list[LogLine]:
    """The next so many lines."""
    return [await asyncio.wait_for(anext(lines), 30) for _ in range(count)]


def texts(lines: list[LogLine]) -> list[str]:
    """Only what they say."""
    return [line.text for line in lines]


def bare(line: LogLine) -> LogLine:
    """Without its cursor."""
    return replace(line, cursor="")


async def tail(logs: FileLogs, worker: str, lines: int) -> list[LogLine]:
    """The newest lines, bare."""
    return [bare(line) for line in await logs.tail(worker, lines)]


async def read(logs: FileLogs, *workers: str, lines: int = 10**5, **how: Any) -> list[LogLine]:
    """All that is there, whole."""
    async with aclosing(logs.read(workers, lines, **how)) as batches:
        return [line async for batch in batches for line in batch]


async def test_tail_merges_both_streams_by_time(yard: Yard) -> None:
    """Each line with its stream and the time of its drain, oldest first."""
    out, err = yard.writer("web"), yard.writer("web", "stderr")
    out.write(b"one\n", 10.0)
    err.write(b"two\n", 11.0)
    out.write(b"three\n", 12.0)
    assert await tail(yard.logs, "web", 2) == [
        LogLine("web", "stderr", 11.0, "two"),
        LogLine("web", "stdout", 12.0, "three"),
    ]


async def test_tail_reads_back_over_rotated_files(yard: Yard) -> None:
    """Where a file ends does not show."""
    writer = yard.writer("web")
    for number in range(100):
        writer.write(b"line %d\n" % number, float(number))
    assert writer.log.rotations > 5
    assert texts(await yard.logs.tail("web", 60)) == [f"line {number}" for number in range(40, 100)]


async def test_tail_since_leaves_out_what_is_older(yard: Yard) -> None:
    """Written then or later; what has no known time is left out as well."""
    writer = yard.writer("web")
    for number in range(10):
        writer.write(b"line %d\n" % number, float(number))
    assert texts(await yard.logs.tail("web", 100, since=7.0)) == ["line 7", "line 8", "line 9"]


async def test_without_an_index_lines_have_no_time_and_keep_their_order(yard: Yard) -> None:
    """An index is a convenience."""
    writer = yard.writer("web")
    writer.write(b"one\ntwo\n", 10.0)
    Path(yard.paths.worker_logs("web"), "stdout.idx").unlink()
    assert await tail(yard.logs, "web", 9) == [
        LogLine("web", "stdout", None, "one"),
        LogLine("web", "stdout", None, "two"),
    ]


async def test_tail_gives_an_unfinished_last_line(yard: Yard) -> None:
    """A worker's last words often have no end."""
    yard.writer("web").write(b"one\ntwo\nthr", 10.0)
    assert texts(await yard.logs.tail("web", 2)) == ["two", "thr"]


async def test_a_long_line_is_capped(yard: Yard) -> None:
    """Also where it spans files; the line behind it is whole."""
    writer = yard.writer("web", max_size=50_000)
    writer.write(b"x" * 200_000 + b"\nnext\n", 10.0)
    assert texts(await yard.logs.tail("web", 2)) == ["x" * LINE_LIMIT + "…", "next"]


async def test_bytes_that_are_not_utf_8_are_replaced(yard: Yard) -> None:
    """Nothing a worker writes can't be shown."""
    yard.writer("web").write(b"caf\xe9\n", 10.0)
    assert texts(await yard.logs.tail("web", 1)) == ["caf\ufffd"]


async def test_a_worker_without_logs_has_no_lines(yard: Yard) -> None:
    """Not an error: it may just not have written yet."""
    assert await yard.logs.tail("nobody", 10) == []


async def test_follow_gives_the_newest_lines_then_each_that_comes(yard: Yard) -> None:
    """Of several workers, one of which has written nothing yet."""
    web = yard.writer("web")
    web.write(b"one\ntwo\nthree\n", 10.0)
    lines = yard.follow("web", "late", lines=2)
    assert texts(await taken(lines, 2)) == ["two", "three"]
    yard.writer("late").write(b"hello\n", 11.0)
    assert await taken(lines, 1) == [LogLine("late", "stdout", 11.0, "hello")]
    web.write(b"four\n", 12.0)
    assert await taken(lines, 1) == [LogLine("web", "stdout", 12.0, "four")]
    await lines.aclose()


async def test_follow_loses_and_doubles_nothing_over_rotations(yard: Yard) -> None:
    """Several between two looks, in the middle of lines."""
    writer = yard.writer("web")
    writer.write(b"begin\n", 1.0)
    lines = yard.follow("web")
    assert texts(await taken(lines, 1)) == ["begin"]
    written = b"".join(b"line %d\n" % number for number in range(500))
    for start in range(0, len(written), 333):
        writer.write(written[start : start + 333], 2.0 + start)
        if start % 999 == 0:
            await asyncio.sleep(0.01)
    assert texts(await taken(lines, 500)) == [f"line {number}" for number in range(500)]
    await lines.aclose()


async def test_follow_holds_an_unfinished_line_until_it_is_complete(yard: Yard) -> None:
    """As one line, with the time of its beginning."""
    writer = yard.writer("web")
    writer.write(b"one\ntw", 10.0)
    lines = yard.follow("web")
    assert texts(await taken(lines, 1)) == ["one"]
    writer.write(b"o\n", 20.0)
    assert await taken(lines, 1) == [LogLine("web", "stdout", 10.0, "two")]
    await lines.aclose()


async def test_follow_gives_an_unfinished_line_that_is_old(yard: Yard) -> None:
    """A prompt, for one, is never finished."""
    yard.writer("web").write(b"password: ", 10.0)
    lines = yard.follow("web")
    assert texts(await taken(lines, 1)) == ["password: "]
    await lines.aclose()


async def test_remove_deletes_the_folder_and_is_harmless_twice(yard: Yard) -> None:
    """With everything in it."""
    yard.writer("web").write(b"one\n", 10.0)
    for _ in range(2):
        await yard.logs.remove("web")
        assert not Path(yard.paths.worker_logs("web")).exists()


async def test_following_leaves_no_descriptor_open(yard: Yard) -> None:
    """Also when it is cancelled while it waits."""
    yard.writer("web").write(b"one\n", 10.0)
    before = opened()
    lines = yard.follow("web", "nobody")
    await taken(lines, 1)
    waiting = asyncio.ensure_future(anext(lines))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not opened() - before


async def test_the_newest_lines_of_one_stream_are_not_hidden_by_the_other(yard: Yard) -> None:
    """So many of that stream, however much the other one wrote since."""
    out, err = yard.writer("web"), yard.writer("web", "stderr")
    for number in range(3):
        err.write(b"error %d\n" % number, float(number))
    for number in range(50):
        out.write(b"line %d\n" % number, 10.0 + number)
    assert texts(await read(yard.logs, "web", lines=2, stream="stderr")) == ["error 1", "error 2"]


async def test_read_since_leaves_out_what_is_older(yard: Yard) -> None:
    """Of the newest lines; and the last cursor is behind what was left out."""
    writer = yard.writer("web")
    for number in range(10):
        writer.write(b"line %d\n" % number, float(number))
    found = await read(yard.logs, "web", lines=5, since=8.0)
    assert texts(found) == ["line 8", "line 9"]
    assert await read(yard.logs, "web", after=found[-1].cursor) == []


async def test_a_cursor_goes_on_behind_its_line(yard: Yard) -> None:
    """On both streams, each line's own; also behind one that was unfinished."""
    out, err = yard.writer("web"), yard.writer("web", "stderr")
    out.write(b"one\n", 1.0)
    err.write(b"two\n", 2.0)
    out.write(b"three\nfou", 3.0)
    first, *rest = await read(yard.logs, "web")
    assert texts([first, *rest]) == ["one", "two", "three", "fou"]
    assert await read(yard.logs, "web", after=first.cursor) == rest
    out.write(b"r\nfive\n", 4.0)
    assert texts(await read(yard.logs, "web", after=rest[-1].cursor)) == ["r", "five"]


async def test_what_is_not_kept_any_more_is_told_as_a_gap(yard: Yard) -> None:
    """And it goes on with the oldest line there is."""
    writer = yard.writer("web", max_files=2)
    writer.write(b"the first\n", 1.0)
    [first] = await read(yard.logs, "web")
    for number in range(100):
        writer.write(b"line %d\n" % number, 2.0 + number)
    gap, *found = await read(yard.logs, "web", after=first.cursor)
    assert bare(gap) == LogLine("web", "stdout", None, MISSING, gap=True)
    assert texts(found) == texts(await yard.logs.tail("web", 100))
    assert await read(yard.logs, "web", after=gap.cursor) == found


async def test_a_follower_too_slow_for_the_rotation_is_told_of_the_gap(yard: Yard) -> None:
    """Whatever it held open itself, it still gets."""
    writer = yard.writer("web", max_files=2)
    writer.write(b"the first\n", 1.0)
    lines = yard.follow("web")
    assert texts(await taken(lines, 1)) == ["the first"]
    written = [f"line {number}" for number in range(100)]
    writer.write("".join(f"{line}\n" for line in written).encode(), 2.0)
    found = await taken(lines, 1)
    while not found[-1].gap:
        found += await taken(lines, 1)
    before = texts(found[:-1])
    assert before == written[: len(before)]
    after = texts(await taken(lines, len(await yard.logs.tail("web", 100))))
    assert after == written[-len(after) :]
    await lines.aclose()


@pytest.mark.parametrize("cursor", ["", "nonsense", "!", "AAAA", "kwECAw", "3f8", "kf8", "\u00e4", "a" * 9999])
async def test_a_cursor_that_is_none_gives_a_gap_and_all_there_is(yard: Yard, cursor: str) -> None:
    """A browser that comes back with nonsense gets more than it asked for, not an error for ever."""
    yard.writer("web").write(b"one\n", 1.0)
    gap, line = await read(yard.logs, "web", "nobody", after=cursor)
    assert (gap.gap, line.text) == (True, "one")


async def test_a_file_that_somebody_emptied_is_a_gap(yard: Yard) -> None:
    """Its place is gone, though the file is not."""
    writer = yard.writer("web")
    writer.write(b"one\ntwo\n", 1.0)
    [_, last] = await read(yard.logs, "web")
    os.truncate(f"{writer.log.base}.log", 0)
    writer.write(b"new\n", 2.0)
    gap, line = await read(yard.logs, "web", after=last.cursor)
    assert (gap.gap, line.text) == (True, "new")


async def test_many_workers_have_cursors_at_the_ends_of_batches_and_very_many_none(yard: Yard) -> None:
    """A cursor is as long as there are streams, and has to fit a header."""
    for number in range(300):
        yard.writer(f"w{number}").write(b"hello\n", float(number))
    workers = [f"w{number}" for number in range(300)]
    some = await read(yard.logs, *workers[:100])
    assert [bool(line.cursor) for line in some] == [*[False] * 99, True]
    yard.writers[5].write(b"again\n", 400.0)
    assert texts(await read(yard.logs, *workers[:100], after=some[-1].cursor)) == ["again"]
    assert not any(line.cursor for line in await read(yard.logs, *workers))


async def test_a_batch_is_bounded_however_much_was_written(yard: Yard) -> None:
    """What is kept for a slow reader; the others have their turn."""
    for name in ("chatty", "quiet"):
        yard.writer(name, max_size=1 << 30).write(b"begin\n", 1.0)
    async with aclosing(yard.logs.read(["chatty", "quiet"], 10, follow=True)) as batches:
        await anext(batches)
        yard.writers[0].write(b"x" * 99 + b"\n" + b"".join(b"%099d\n" % number for number in range(40_000)), 2.0)
        yard.writers[1].write(b"psst\n", 3.0)
        first, second = await anext(batches), await anext(batches)
    assert max(len(first), len(second)) <= ROOM // 99 + 1
    assert "psst" in texts(first + second)


@given(
    steps=st.lists(st.one_of(st.binary(min_size=1, max_size=90), st.none()), max_size=30),
    max_size=st.integers(1, 80),
    first=st.integers(0, 5),
)
def test_a_follower_sees_every_line_whatever_the_rotations(
    tmp_path_factory: pytest.TempPathFactory, steps: list[bytes | None], max_size: int, first: int
) -> None:
    """Bytes are written, None is a look; the follower starts at the first look."""
    writer = Writer(str(tmp_path_factory.mktemp("logs") / "stdout"), max_size, 10**6)
    follower = LogFollower(writer.log.base)
    written, before = b"", None
    found: list[str] = []
    for step in [*steps, None]:
        if step is not None:
            writer.write(step, 1.0)
            written += step
        elif before is None:
            before = written
            found += [line.text for line in follower.begin(first)]
        else:
            while (lines := follower.advance()) is not None:
                found += [line.text for line in lines]
    found += [line.text for line in follower.release()]
    follower.close()
    writer.close()
    rows = [row.decode("utf-8", "replace") for row in written.split(b"\n")]
    rows = rows if rows[-1] else rows[:-1]
    seen_whole = (before or b"").count(b"\n") + (not (before or b"\n").endswith(b"\n"))
    skipped = max(0, seen_whole - first)
    if first == 0 and not (before or b"\n").endswith(b"\n"):
        skipped -= 1  # the unfinished one is yet to come
    assert found == rows[skipped:]


PIECES = st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\n\n", b"long " * 9]), max_size=12)


@settings(max_examples=50)  # Each rotation renames every file before it: hundreds of them take a minute.
@given(
    steps=st.lists(st.tuples(st.sampled_from(STREAMS), PIECES), max_size=30),
    max_size=st.integers(8, 80),
    cuts=st.lists(st.integers(0, 20), min_size=1),
)
async def test_whoever_comes_back_with_a_cursor_misses_nothing_and_gets_nothing_twice(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[Stream, list[bytes]]],
    max_size: int,
    cuts: list[int],
) -> None:
    """Whatever is written between, over any rotations; a reader takes some lines, is cut off, and comes back."""
    yard = Yard(tmp_path_factory.mktemp("yard"))
    out, err = (yard.writer("web", stream, max_size, 10**6) for stream in STREAMS)
    writers = {"stdout": out, "stderr": err}
    written = {"stdout": b"", "stderr": b""}
    found: list[LogLine] = []
    cursor = encode({})
    for turn, (stream, pieces) in enumerate(steps):
        data = b"".join(pieces)
        writers[stream].write(data, 1000.0 + turn)
        written[stream] += data
        seen = (await read(yard.logs, "web", after=cursor))[: cuts[turn % len(cuts)]]
        found += seen
        cursor = seen[-1].cursor if seen else cursor
    found += await read(yard.logs, "web", after=cursor)
    for writer in yard.writers:
        writer.close()
    assert not any(line.gap for line in found)
    for stream in STREAMS:
        text = "".join(line.text for line in found if line.stream == stream)
        assert text == written[stream].replace(b"\n", b"").decode()


async def test_the_end_is_behind_everything_and_known_where_there_is_nothing(yard: Yard) -> None:
    """An attempt's output begins there: not one byte of it is missed, and none of an earlier one's is among it."""
    start = await yard.logs.end("web")
    out, err = yard.writer("web"), yard.writer("web", "stderr")
    out.write(b"one\n", 1.0)
    err.write(b"two\nhal", 2.0)
    middle = await yard.logs.end("web")
    err.write(b"ves\nthree\n", 3.0)
    out.write(b"four\n", 4.0)
    assert texts(await read(yard.logs, "web", after=start)) == ["one", "two", "halves", "three", "four"]
    assert texts(await read(yard.logs, "web", after=middle)) == ["ves", "three", "four"]
