"""How what goes wrong with a module is told, and the bounds of it."""

import asyncio
from collections.abc import Iterable

HALFWAY = 5.0
"""Seconds for the `stop` of a module that failed: it may have opened something. As many for what has been cancelled."""
LARGEST = 1000
"""Bytes of what a module says of itself: a report has to fit into one datagram."""
LONGEST = 500
"""Characters that are told of an error."""


class Unfit(Exception):
    """What can't be run as a module, or not with this configuration, in words for people."""


def words(error: BaseException) -> str:
    """What is told of an error elsewhere than in the log."""
    if isinstance(error, Unfit):
        return str(error)[:LONGEST]
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return text[:LONGEST]


def meant_for_us() -> bool:
    """Whether a cancellation was asked of this very task, not of something that it waited for."""
    me = asyncio.current_task()
    return me is not None and me.cancelling() > 0


def nearest(word: str, known: Iterable[str]) -> str:
    """What was perhaps meant, else what there is, if that is little; said after what is wrong."""
    import difflib

    names = sorted(name for name in known if not name.startswith("_"))
    if near := difflib.get_close_matches(word, names, 1):
        return f": did you mean {near[0]}?"
    return f": there is {', '.join(names)}" if 0 < len(names) <= 10 else ""
