"""The time that papers tell: that of SOURCE_DATE_EPOCH, which reproducible builds agree on, and none without it."""

import os
from datetime import UTC, datetime

from beeyard.domain.errors import Invalid

NAME = "SOURCE_DATE_EPOCH"


def epoch() -> int | None:
    """Whole seconds. Raises Invalid: `usage`."""
    text = os.environ.get(NAME, "")
    if not text:
        return None
    if not text.isdecimal() or int(text) >= 2**34:
        raise Invalid("usage", "{name} is {found}, expected seconds since 1970", name=NAME, found=repr(text))
    return int(text)


def stamped(field: str) -> dict[str, str]:
    """The field with the time, or no field."""
    seconds = epoch()
    return {} if seconds is None else {field: f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"}
