"""When in a week something may be done by itself: `02:00-04:00`, `sat,sun 22:00-06:00`. Pure; whose clock it is that
tells weekday and minute, the caller knows.

A window that goes over midnight belongs to the day on which it begins.
"""

import re
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = "|".join(DAYS)
_TIME = r"([01][0-9]|2[0-3]):([0-5][0-9])"
WINDOW = rf"^((?:{_DAY})(?:,(?:{_DAY})){{0,6}} )?{_TIME}-{_TIME}(?!\n)$"
WINDOW_EXPECTED = "times such as 02:00-04:00, perhaps after days, as in sat,sun 22:00-06:00"

Window = Annotated[str, Meta(pattern=WINDOW, max_length=64, description=WINDOW_EXPECTED)]


def opened(windows: Sequence[Window], day: int, minute: int) -> bool:
    """Whether one of them is open: without any, always.

    Args:
        day: 0 for Monday.
        minute: since midnight.
    """
    return not windows or any(_open(window, day, minute) for window in windows)


def _open(window: Window, day: int, minute: int) -> bool:
    found = re.match(WINDOW, window)
    assert found is not None, window
    days, *times = found.groups()
    begin, end = int(times[0]) * 60 + int(times[1]), int(times[2]) * 60 + int(times[3])
    on = set(DAYS) if days is None else set(days.strip().split(","))
    if begin < end:
        return begin <= minute < end and DAYS[day] in on
    return (minute >= begin and DAYS[day] in on) or (minute < end and DAYS[day - 1] in on)
