"""What a download has to keep to."""

from typing import NamedTuple


class Limits(NamedTuple):
    """`speed`: bytes per second over each `window` of seconds; `deadline`: seconds for all of it; `tries` in a row that
    bring nothing; `pause`: seconds before the second one, doubled each time."""

    speed: float = 4096.0
    window: float = 60.0
    deadline: float = 6 * 3600.0
    tries: int = 6
    pause: float = 0.5


LIMITS = Limits()
