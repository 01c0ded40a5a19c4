"""When in a week something may be done by itself."""

import re

import pytest

from beeyard.domain.windows import WINDOW, opened


@pytest.mark.parametrize(
    ("windows", "day", "minute", "expected"),
    [
        ((), 3, 700, True),
        (("02:00-04:00",), 0, 120, True),
        (("02:00-04:00",), 0, 239, True),
        (("02:00-04:00",), 0, 240, False),
        (("02:00-04:00", "12:00-13:00"), 6, 12 * 60, True),
        (("sat,sun 02:00-04:00",), 5, 150, True),
        (("sat,sun 02:00-04:00",), 4, 150, False),
        (("sun 22:00-06:00",), 6, 23 * 60, True),
        (("sun 22:00-06:00",), 0, 5 * 60, True),
        (("sun 22:00-06:00",), 6, 5 * 60, False),
        (("22:00-06:00",), 2, 60, True),
        (("00:00-00:00",), 2, 600, True),
    ],
)
def test_a_window_is_open_on_its_days_from_its_begin_until_its_end(
    windows: tuple[str, ...], day: int, minute: int, expected: bool
) -> None:
    """One that goes over midnight belongs to the day on which it begins."""
    assert opened(windows, day, minute) is expected


@pytest.mark.parametrize("text", ["24:00-01:00", "2:00-04:00", "02:00", "someday 02:00-04:00", "02:00-04:00\n", ""])
def test_what_is_no_window_is_none(text: str) -> None:
    """Nothing is guessed."""
    assert re.match(WINDOW, text) is None
