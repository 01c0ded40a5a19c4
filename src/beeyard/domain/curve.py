"""What one worker used over time, in bounded memory. Pure: moments are arguments, of a clock that never goes back.

The last minutes are kept as they were read; what is older is folded into one point a minute, and forgotten after two
hours. A worker that is down is read by nobody: that is a gap, and no zero. CPU is what was used between two readings;
where there are no two of one attempt, or its counter went back, it is not known (None).

A reading that tells nothing new is left out, unless none was kept for REST seconds; what comes after such readings is
measured from the last of them. A point takes 12 bytes, a full curve 3.6 KB at most: what comes more often is folded
sooner.
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

REST = 12.0
"""Seconds for which readings that tell nothing new are left out."""
LONGEST = 20.0
"""Seconds that a point speaks for at most, when several become one: before that the worker was not read, or down."""

_TENTHS = 10.0
_UNKNOWN = 0xFFFF_FFFF
_WIDTH = 3
"""Numbers of one point: tenths of a second since the curve began, thousandths of a core, KiB."""


class Sample(Struct, frozen=True, gc=False):
    """`at` wall-clock seconds; `cpu` cores in use since the sample before, and bytes; None where that can't be told."""

    at: float
    cpu: float | None
    memory: int | None


class Point(NamedTuple):
    """A sample at a moment of the monotonic clock."""

    at: float
    cpu: float | None
    memory: int | None


class Curve:
    """All points of one worker, over all its attempts."""

    __slots__ = ("_at", "_attempt", "_began", "_coarse", "_cpu", "_ends", "_fine", "_rested")

    def __init__(self, began: float) -> None:
        self._began = began
        self._at = began
        self._attempt = 0
        self._cpu = 0.0
        self._rested = began
        self._fine = array("I")
        self._coarse = array("I")
        self._ends = array("I")

    def take(
        self,
        attempt: int,
        at: float,
        cpu: float,
        memory: int | None,
        since: float | None = None,
        rested: float | None = None,
    ) -> None:
        """One reading. Not later than the last one, it is left out.

        Args:
            cpu: seconds that the attempt used so far.
            since: when the attempt began, if nothing of it was missed: its first reading is then measured from there.
            rested: until when it is known that nothing of it ran since the reading before.
        """
        size = _UNKNOWN if memory is None else min(memory // 1024, _UNKNOWN - 1)
        if attempt == self._attempt and self._fine:
            same = cpu == self._cpu and size == self._fine[-1]
            if same and at - self._at < REST:
                self._rested = max(at, self._rested)
                return
            rested = self._rested if rested is None else max(rested, self._rested)
            if not same and self._at < rested < at:
                self._append(rested, 0.0, self._fine[-1])
                self._at = rested
        if at < self._at or (at == self._at and self._fine):
            return
        before, used = (self._at, cpu - self._cpu) if attempt == self._attempt else (since, cpu)
        rate = used / (at - before) if before is not None and before < at and used >= 0 else None
        self._attempt, self._at, self._cpu = attempt, at, cpu
        self._append(at, rate, size)

    def end(self, at: float) -> None:
        """The attempt ended: what comes is of another one."""
        self._ends.append(self._packed(at))
        del self._ends[:-MOST_ENDS]

    def points(self, after: float = float("-inf")) -> Iterator[Point]:
        """Those later than this moment, oldest first."""
        for track in (self._coarse, self._fine):
            for place in range(0, len(track), _WIDTH):
                if (at := self._began + track[place] / _TENTHS) > after:
                    millis, size = track[place + 1], track[place + 2]
                    cpu = None if millis == _UNKNOWN else millis / 1000
                    yield Point(at, cpu, None if size == _UNKNOWN else size * 1024)

    def ends(self) -> list[float]:
        """When attempts ended, as far back as the points go."""
        first = next(self.points(), None)
        found = (self._began + end / _TENTHS for end in self._ends)
        return [at for at in found if first is not None and at >= first.at]

    def _append(self, at: float, rate: float | None, size: int) -> None:
        moment = self._packed(at)
        self._tidy(moment)
        self._fine.extend((moment, _millis(rate), size))

    def _packed(self, at: float) -> int:
        return min(max(0, round((at - self._began) * _TENTHS)), _UNKNOWN)

    def _tidy(self, now: int) -> None:
        """Fold the minutes that are over; forget what is too old."""
        fine, coarse, minute = self._fine, self._coarse, int(MINUTE * _TENTHS)
        while fine and (now // minute - fine[0] // minute > FINE or len(fine) >= MOST_FINE * _WIDTH):
            last = fine[0] // minute
            count = next((place for place in range(0, len(fine), _WIDTH) if fine[place] // minute != last), len(fine))
            coarse.extend(_folded(fine[:count], coarse[-_WIDTH] if coarse else 0))
            del fine[:count]
        oldest = now - MOST_COARSE * minute
        while coarse and (coarse[0] < oldest or len(coarse) > MOST_COARSE * _WIDTH):
            del coarse[:_WIDTH]


def _folded(points: "array[int]", before: int) -> tuple[int, int, int]:
    """One point for several, that follow one of the moment `before`.

    It has the last moment, the mean over time of the CPU that is known, and the most memory.
    """
    used = known = 0
    for place in range(0, len(points), _WIDTH):
        at, millis = points[place], points[place + 1]
        if millis != _UNKNOWN:
            lasted = max(1, min(at - before, int(LONGEST * _TENTHS)))
            used, known = used + millis * lasted, known + lasted
        before = at
    size = max((size for size in points[2::_WIDTH] if size != _UNKNOWN), default=_UNKNOWN)
    return points[-_WIDTH], round(used / known) if known else _UNKNOWN, size


def _millis(rate: float | None) -> int:
    return _UNKNOWN if rate is None else min(round(rate * 1000), _UNKNOWN - 1)
