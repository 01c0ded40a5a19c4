"""What the workers say about themselves: one slot each in a shared file, written by them, read here.

Times are nanoseconds of CLOCK_MONOTONIC, taken in the worker; so how often the harness looks adds nothing to a
measurement, and looking costs the supervisor nothing. The layout is that of `csrc/slot.h`.
"""

import mmap
import time
from enum import IntEnum
from pathlib import Path

_WORDS = 8


class Field(IntEnum):
    """The words of a slot, in order."""

    STARTED = 0
    STOPPED = 1
    PID = 2
    COUNT = 3
    GO = 4
    BEGUN = 5
    ENDED = 6


def now_ns() -> int:
    """The clock that the stamps use."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


class Stamps:
    """The shared file, with one slot a worker."""

    def __init__(self, path: Path, slots: int) -> None:
        self.path = path
        self.slots = slots
        path.write_bytes(bytes(slots * _WORDS * 8))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self._words = memoryview(self._map).cast("Q")

    def get(self, slot: int, field: Field) -> int:
        """One word of one worker."""
        return self._words[slot * _WORDS + field]

    def all(self, field: Field) -> list[int]:
        """The same word of every worker, by slot."""
        return self._words[field::_WORDS].tolist()

    def go(self, slot: int) -> None:
        """Lets a flood begin."""
        self._words[slot * _WORDS + Field.GO] = 1

    def close(self) -> None:
        """Gives the file up. Workers that still run keep their own mapping."""
        self._words.release()
        self._map.close()
        self.path.unlink(missing_ok=True)
