"""What one worker used over time, in bounded memory. Pure: moments are arguments, of a clock that never goes back.

The last minutes are kept as they were read; what is older is folded into one point a minute, and forgotten after two
hours. A worker that is down is read by nobody: that is a gap, and no zero. CPU is what was used between two readings;
where there are no two of one attempt, or its counter went back, it is not known (None).

A point takes 12 bytes. Read every 5 s, a curve is full with 2.4 KB; read every second, with 4.3 KB. It can't get
larger than that: what comes more often is folded sooner.
"""

from array import array
from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct

MINUTE = 60.0
FINE = 2
"""Whole minutes, besides the one that has begun, of which every point is kept."""
MOST_FINE = 180
MOST_COARSE = 120
MOST_ENDS = 32
"""Points kept as they were read, points of a minute each, and ends of attempts."""

_TENTHS = 10.0
_UNKNOWN = 0xFFFF_FFFF
_WIDTH = 3
"""Numbers of one point: tenths of a second since the curve began, thousandths of a core, KiB."""


class Sample(Struct, frozen=True, gc=False):
    """`at` wall-clock seconds; `cpu` cores in use since the sample before, None where that can't be told; bytes."""

    at: float
    cpu: float | None
    memory: int


class Point(NamedTuple):
    """A sample at a moment of the monotonic clock."""

    at: float
    cpu: float | None
    memory: int


class Curve:
    """All points of one worker, over all its attempts."""

    __slots__ = ("_at", "_attempt", "_began", "_coarse", "_cpu", "_ends", "_fine")

    def __init__(self, began: float) -> None:
        self._began = began
        self._at = began
        self._attempt = 0
        self._cpu = 0.0
        self._fine = array("I")
        self._coarse = array("I")
        self._ends = array("I")

    def take(self, attempt: int, at: float, cpu: float, memory: int, since: float | None = None) -> None:
        """One reading. Not later than the last one, it is left out.

        Args:
            cpu: seconds that the attempt used so far.
            since: when the attempt began, if nothing of it was missed: its first reading is then measured from there.
        """
        if at < self._at or (at == self._at and self._fine):
            return
        before, used = (self._at, cpu - self._cpu) if attempt == self._attempt else (since, cpu)
        rate = used / (at - before) if before is not None and before < at and used >= 0 else None
        self._attempt, self._at, self._cpu = attempt, at, cpu
        point = (self._packed(at), _millis(rate), min(memory // 1024, _UNKNOWN))
        self._tidy(point[0])
        self._fine.extend(point)

    def end(self, at: float) -> None:
        """The attempt ended: what comes is of another one."""
        self._ends.append(self._packed(at))
        del self._ends[:-MOST_ENDS]

    def points(self, after: float = float("-inf")) -> Iterator[Point]:
        """Those later than this moment, oldest first."""
        for track in (self._coarse, self._fine):
            for place in range(0, len(track), _WIDTH):
                if (at := self._began + track[place] / _TENTHS) > after:
                    millis = track[place + 1]
                    yield Point(at, None if millis == _UNKNOWN else millis / 1000, track[place + 2] * 1024)

    def ends(self) -> list[float]:
        """When attempts ended, as far back as the points go."""
        first = next(self.points(), None)
        found = (self._began + end / _TENTHS for end in self._ends)
        return [at for at in found if first is not None and at >= first.at]

    def _packed(self, at: float) -> int:
        return min(max(0, round((at - self._began) * _TENTHS)), _UNKNOWN)

    def _tidy(self, now: int) -> None:
        """Fold the minutes that are over; forget what is too old."""
        fine, coarse, minute = self._fine, self._coarse, int(MINUTE * _TENTHS)
        while fine and (now // minute - fine[0] // minute > FINE or len(fine) >= MOST_FINE * _WIDTH):
            last = fine[0] // minute
            count = next((place for place in range(0, len(fine), _WIDTH) if fine[place] // minute != last), len(fine))
            coarse.extend(_folded(fine[:count]))
            del fine[:count]
        oldest = now - MOST_COARSE * minute
        while coarse and (coarse[0] < oldest or len(coarse) > MOST_COARSE * _WIDTH):
            del coarse[:_WIDTH]


def _folded(points: "array[int]") -> tuple[int, int, int]:
    """One point for several: the last moment, the mean of what is known of the CPU, the most memory."""
    known = [millis for millis in points[1::_WIDTH] if millis != _UNKNOWN]
    return points[-_WIDTH], round(sum(known) / len(known)) if known else _UNKNOWN, max(points[2::_WIDTH])


def _millis(rate: float | None) -> int:
    return _UNKNOWN if rate is None else min(round(rate * 1000), _UNKNOWN - 1)
