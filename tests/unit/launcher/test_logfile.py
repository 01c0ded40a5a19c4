"""Where a killed pump could have stopped: at every system call of a rotation."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beeyard.launcher import logfile, rotation
from beeyard.launcher.logfile import RECORD, LogFile

CHANGES = {"rename", "unlink", "truncate", "ftruncate", "write", "open", "makedirs", "splice"}
"""The system calls that leave something behind."""


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the code under test may catch it."""


class MortalOs:
    """The `os` module of a process that dies at its n-th change: before it, or of a write after half of it."""

    def __init__(self, left: int) -> None:
        self.left = left

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in CHANGES:
            return real

        def call(*args: Any, **kwargs: Any) -> Any:
            self.left -= 1
            if self.left < 0:
                if name == "write":
                    real(args[0], args[1][: len(args[1]) // 2])
                raise Killed
            return real(*args, **kwargs)

        return call


@contextmanager
def dying_after(changes: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[MortalOs]:
    """Both modules see the mortal `os` for a while."""
    mortal = MortalOs(changes)
    with monkeypatch.context() as patch:
        patch.setattr(logfile, "os", mortal)
        patch.setattr(rotation, "os", mortal)
        yield mortal


class Pipe:
    """What a worker writes, and the log it goes to; `again` is the next pump."""

    def __init__(self, folder: Path, max_size: int, max_files: int) -> None:
        self.base = str(folder / "logs" / "stdout")
        self.sizes = max_size, max_files
        self.reading, self.writing = os.pipe2(os.O_NONBLOCK)
        self.now = 1000.0
        self.log = LogFile(self.base, *self.sizes)

    def again(self) -> None:
        """A new process: nothing of the old one's memory."""
        self.log.close()
        self.log = LogFile(self.base, *self.sizes)

    def drain(self) -> None:
        """Until the pipe is empty."""
        self.now += 1
        while True:
            try:
                self.log.take(self.reading, 1 << 20, self.now)
            except BlockingIOError:
                return

    def write(self, data: bytes) -> None:
        """As a worker does; nothing is copied yet."""
        assert os.write(self.writing, data) == len(data)

    def files(self) -> list[bytes]:
        """What is in the log files, oldest first."""
        paths = [Path(rotation.log_name(self.base, number)) for number in range(60, -1, -1)]
        return [path.read_bytes() for path in paths if path.exists()]

    def close(self) -> None:
        """All descriptors."""
        self.log.close()
        os.close(self.reading)
        os.close(self.writing)


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Pipe]:
    """Files of 100 bytes, three kept."""
    made = Pipe(tmp_path, 100, 3)
    yield made
    made.close()


def numbered(first: int, count: int) -> bytes:
    """Lines that can't be mistaken for each other."""
    return b"".join(b"line %06d\n" % number for number in range(first, first + count))


def test_files_end_at_line_ends_and_stay_within_their_size(pipe: Pipe) -> None:
    """The unfinished line of a full file begins the next one."""
    pipe.write(numbered(0, 40))
    pipe.drain()
    assert b"".join(pipe.files()) == numbered(0, 40)[-len(b"".join(pipe.files())) :]
    assert all(file.endswith(b"\n") and len(file) <= 100 for file in pipe.files())
    assert len(pipe.files()) == 4
    assert pipe.log.cut_lines == 0


def test_max_files_of_zero_keeps_the_current_file_only(pipe: Pipe) -> None:
    """A full file goes, but its unfinished line stays."""
    pipe.log.max_files = 0
    pipe.write(numbered(0, 10))
    pipe.drain()
    assert pipe.files() == [numbered(8, 2)]


def test_a_smaller_number_of_files_holds_from_the_next_rotation_on(pipe: Pipe) -> None:
    """What is too old by the new measure is deleted then."""
    pipe.write(numbered(0, 40))
    pipe.drain()
    pipe.log.max_files = 1
    pipe.write(numbered(40, 9))
    pipe.drain()
    assert len(pipe.files()) == 2
    assert pipe.files()[-1].endswith(numbered(48, 1))


def test_a_line_longer_than_a_file_is_cut_and_counted(pipe: Pipe) -> None:
    """No line makes a file grow beyond its size."""
    pipe.write(b"x" * 350 + b"\n")
    pipe.drain()
    assert [len(file) for file in pipe.files()] == [100, 100, 100, 51]
    assert pipe.log.cut_lines == 3


def test_a_deleted_folder_is_made_again(pipe: Pipe) -> None:
    """Whoever cleans up by hand does not end logging."""
    pipe.write(b"before\n")
    pipe.drain()
    os.rename(os.path.dirname(pipe.base), os.path.dirname(pipe.base) + ".away")
    pipe.write(b"after\n")
    pipe.drain()
    assert pipe.files() == [b"after\n"]


def test_a_file_emptied_by_hand_is_written_from_its_start(pipe: Pipe) -> None:
    """No hole where the old bytes were."""
    pipe.write(b"before\n")
    pipe.drain()
    os.truncate(rotation.log_name(pipe.base), 0)
    pipe.write(b"after\n")
    pipe.drain()
    assert pipe.files() == [b"after\n"]


def test_own_lines_begin_at_a_line_start(pipe: Pipe) -> None:
    """Also where the worker's line is not finished."""
    pipe.write(b"half a li")
    pipe.drain()
    pipe.log.say(b"[beeyard]\n", pipe.now)
    assert pipe.files() == [b"half a li\n[beeyard]\n"]


def test_index_tells_when_each_drain_began(pipe: Pipe) -> None:
    """One record a drain, none within 50 ms of the last, and a torn one is cut off."""
    pipe.write(b"one\n")
    pipe.drain()
    pipe.write(b"two\n")
    pipe.log.take(pipe.reading, 100, pipe.now + 0.049)
    pipe.again()
    index = Path(rotation.index_name(pipe.base))
    index.write_bytes(index.read_bytes() + b"torn")
    pipe.write(b"three\n")
    pipe.drain()
    assert list(RECORD.iter_unpack(index.read_bytes())) == [(0, 1001.0), (8, 1002.0)]


def test_index_is_put_aside_with_its_log(pipe: Pipe) -> None:
    """The new file's index begins with the line that moved there."""
    pipe.write(numbered(0, 9))
    pipe.drain()
    pipe.write(b"more\n")
    pipe.drain()
    assert RECORD.unpack(Path(rotation.index_name(pipe.base, 1)).read_bytes()[:16]) == (0, 1001.0)
    assert RECORD.unpack(Path(rotation.index_name(pipe.base)).read_bytes()[:16]) == (0, 1001.0)


@pytest.mark.parametrize("max_files", [0, 1, 3, 50])
def test_a_rotation_killed_at_any_step_neither_loses_nor_doubles_a_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_files: int
) -> None:
    """Every system call of one rotation, and of the recovery from it, is a place to die."""
    for first in range(100):
        for second in range(100):
            pipe = Pipe(tmp_path / f"{max_files}-{first}-{second}", 100, max_files)
            pipe.write(numbered(0, 39) + b"unfinished")  # the current file holds 54 bytes or so
            pipe.drain()
            pipe.write(b" and more" * 7 + b"\n")
            outcomes = []
            for changes in (first, second):
                with dying_after(changes, monkeypatch) as mortal:
                    try:
                        pipe.drain()
                    except Killed:
                        pipe.again()
                    outcomes.append(mortal.left >= 0)
            pipe.drain()
            whole = numbered(0, 39) + b"unfinished" + b" and more" * 7 + b"\n"
            found = b"".join(pipe.files())
            pipe.close()
            assert whole.endswith(found), (first, second, pipe.files())
            assert found.endswith(b" and more\n"), (first, second)
            assert len(pipe.files()) >= min(max_files, 5) + (max_files < 5), (first, second)
            assert max_files < 50 or found == whole, (first, second)
            if outcomes[1]:
                break
        if outcomes[0]:
            break
    else:
        pytest.fail("the rotation never got through")


STEPS = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=150).map(lambda data: data.replace(b"\x00", b"\n")),
        st.integers(0, 25),
        st.none(),
    ),
    max_size=25,
)


@given(steps=STEPS, max_size=st.integers(1, 120))
def test_any_mix_of_writes_rotations_and_kills_keeps_every_byte_in_order(
    steps: list[bytes | int | None], max_size: int
) -> None:
    """Bytes are written, a number kills the pump after so many changes, None is a drain in peace."""
    written = b""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        pipe = Pipe(Path(folder), max_size, 10**6)
        for step in steps:
            match step:
                case bytes():
                    pipe.write(step)
                    written += step
                case int():
                    with dying_after(step, monkeypatch):
                        try:
                            pipe.drain()
                        except Killed:
                            pipe.again()
                case None:
                    pipe.drain()
        pipe.drain()
        paths = sorted(
            Path(pipe.base).parent.glob("stdout.log*"), key=lambda path: -int("0" + path.suffix[1:].strip("log"))
        )
        assert b"".join(path.read_bytes() for path in paths) == written
        assert all(path.stat().st_size <= max_size for path in paths)
        pipe.close()
