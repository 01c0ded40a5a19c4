"""How what runs in a cluster is ended: to stop a pod is to delete it, with the time that it has to end by itself.

An order stands until the cluster has answered it, or there is no more reason for it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from beeyard.adapters.providers.kubernetes.looking import Seen
from beeyard.adapters.providers.kubernetes.naming import name_of
from beeyard.adapters.providers.kubernetes.place import Place
from beeyard.domain.errors import Limited, Unavailable

KILLING = 1
"""Seconds of grace of a kill: with none the API would forget a pod that may still run."""
FORCED = 0
"""And of one whose node is not heard of any more: nobody could tell the API that it ended."""
AGAIN = 1.0
"""Seconds between two tries of what has to be done in the end."""
LEAVING = 5.0
"""Seconds that an answer may take when the master ends."""

log = logging.getLogger("beeyard")


class Orders:
    """What was ordered and not answered yet, until `close`."""

    def __init__(self) -> None:
        self._closed = asyncio.Event()
        self._tries: set[asyncio.Task[None]] = set()

    async def carry_out(
        self, worker: str, attempt: int, order: Callable[[], Coroutine[Any, Any, None]], needless: Callable[[], bool]
    ) -> None:
        """Until the cluster has answered, or it is `needless`. Raises Unavailable if there is no more time for it."""
        told = False
        while not needless():
            try:
                await self._try(order())
            except Unavailable as error:
                if not told:
                    log.warning("%s: what attempt %d was ordered waits: %s", worker, attempt, error.advised)
                told = True
                pause = error.retry_after if isinstance(error, Limited) else AGAIN
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._closed.wait(), pause)
                if self._closed.is_set():
                    raise
            else:
                return

    async def close(self) -> None:
        """What waits is given up; what was just asked may be answered."""
        self._closed.set()
        if self._tries:
            await asyncio.wait(self._tries, timeout=LEAVING)

    async def _try(self, order: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(order)
        self._tries.add(task)
        task.add_done_callback(self._tries.discard)
        await task


async def end(place: Place, owner: str, worker: str, attempt: int, grace: int) -> bool:
    """Ask for an attempt's end, whoever keeps track of it. False: it had no pod that runs."""
    pods = [pod for pod in await _of(place, worker, attempt) if pod.state != "ended"]
    await _delete(place, owner, worker, attempt, pods, grace)
    return bool(pods)


async def clear(place: Place, owner: str, worker: str, attempt: int, over: bool) -> None:
    """Have the API forget an attempt that ended: a pod of it that did so, and if it is `over`, whatever its pod may
    say, any. Idempotent."""
    pods = await _of(place, worker, attempt)
    await _delete(place, owner, worker, attempt, [pod for pod in pods if pod.state == "ended"], None)
    if over and (left := [pod for pod in pods if pod.state != "ended"]):
        await _delete(place, owner, worker, attempt, left, KILLING)


async def _of(place: Place, worker: str, attempt: int) -> list[Seen]:
    return [pod for pod in (await place.pods(worker)).values() if pod.attempt == attempt]


async def _delete(place: Place, owner: str, worker: str, attempt: int, pods: Iterable[Seen], grace: int | None) -> None:
    """A job goes first: it would make another pod of one that is deleted. Nor does it take its own along at once."""
    name = name_of(owner, worker, attempt)
    names = {pod.name for pod in pods}
    if names != {name}:
        await place.delete("job", name)
    for pod in sorted(names):
        await place.delete("pod", pod, grace)
