"""Work on files in a thread, which is never left behind: whoever is cancelled waits until the file is at rest."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def settled(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """As asyncio.to_thread, but it returns, or is cancelled, only after the function did: it may use a descriptor that
    is closed next."""
    return await to_its_end(asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs)))


async def to_its_end(work: "asyncio.Future[T]", cancelled: Callable[[], None] = lambda: None) -> T:
    """What it gives; cancelled, `cancelled` is called, and it is waited for all the same."""
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        cancelled()
        while not work.done():
            try:
                await asyncio.wait([work])
            except asyncio.CancelledError:
                continue
        if not work.cancelled():
            work.exception()  # It is looked at, and no news: who asked is gone.
        raise
