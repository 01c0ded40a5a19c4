"""What only grows: a rule that tells a leak from use that comes and goes. Knows numbers and times, not whose they are.

Time is cut into windows. A count grows as long as its lowest value in each window lies above its highest in the one
before: what goes back even once within two windows was used and given back. It is told after several such windows in a
row, when it has at least doubled.
"""

from msgspec import Struct
from msgspec.structs import replace

WINDOW = 600.0
"""Seconds. Longer than most work takes that is done and over with."""
ROW = 6
"""Windows, each above the one before it: an hour."""
TIMES = 2.0
"""How much it has to have grown meanwhile."""


class Window(Struct, frozen=True, gc=False):
    """The lowest and the highest value since it `began`."""

    began: float
    floor: float
    ceiling: float


class Growth(Struct, frozen=True):
    """What was seen so far: the window before the row began, how many rose above it, the last of them, and this one."""

    first: Window | None = None
    rose: int = 0
    last: Window | None = None
    now: Window | None = None


class Grown(Struct, frozen=True):
    """It grew from so much to so much, without going back once since then (the time of the first value)."""

    before: float
    after: float
    since: float


def seen(growth: Growth, at: float, value: float) -> Growth:
    """One more value; times never go back."""
    now, last = growth.now, growth.last
    if now is None:
        return replace(growth, now=Window(at, value, value))
    if at < now.began + WINDOW:
        return replace(growth, now=Window(now.began, min(now.floor, value), max(now.ceiling, value)))
    fresh = Window(at, value, value)
    if last is not None and growth.first is not None and now.floor > last.ceiling:
        return Growth(growth.first, growth.rose + 1, now, fresh)
    return Growth(now, 0, now, fresh)


def grown(growth: Growth) -> Grown | None:
    """Whether it only grows, as of the windows that are over."""
    first, last = growth.first, growth.last
    if first is None or last is None or growth.rose < ROW or last.floor < TIMES * first.ceiling:
        return None
    return Grown(first.ceiling, last.floor, first.began)
