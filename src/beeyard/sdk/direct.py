"""Contracts served and called within one process, from loop to loop. Knows the objects, not who looks for them.

An async method runs as a task of the loop where its object was offered: a caller on another loop waits without blocking
its own. When the caller is cancelled so is that task; an error comes back as it is. A plain method that is marked
`thread_safe` runs in the caller's thread; any other one hops, and its caller's thread stands still until it has
answered.

An object that is withdrawn takes no new calls, and those that were under way when it ends are told so: nobody waits for
a loop that runs no more.
"""

import asyncio
import concurrent.futures
import threading
from collections.abc import Mapping
from typing import Any

from beeyard.sdk.contracts import Contract, Method
from beeyard.sdk.errors import Interrupted, Unsent

PATIENCE = 30.0
"""Seconds that a caller's thread stands still for a plain method, at most: two may wait for each other."""


class Offered:
    """One object, offered on the running loop of the current thread."""

    def __init__(self, key: tuple[str, str, str], contract: Contract, target: object) -> None:
        self.key = key
        self.worker = key[1]
        self.contract = contract
        self._target = target
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._lock = threading.Lock()
        self._withdrawn = False
        self._pending: set[concurrent.futures.Future[Any]] = set()

    async def call(self, method: Method, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """An async method. Raises Unsent: nothing was asked; Interrupted: it ended before it had answered."""
        if threading.get_ident() == self._thread:
            self._require()
            return await getattr(self._target, method.name)(*args, **kwargs)
        answer = self._hop(method, args, kwargs)
        try:
            return await asyncio.wrap_future(answer)
        except SystemExit:
            raise self._interrupted() from None  # Which ends the service, and nobody else.
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise  # It is the caller who was cancelled, and with it the task over there.
            raise self._interrupted() from None

    def call_now(self, method: Method, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """A plain method. Raises likewise."""
        if method.safe or threading.get_ident() == self._thread:
            self._require()
            return getattr(self._target, method.name)(*args, **kwargs)
        answer = self._hop(method, args, kwargs)
        try:
            return answer.result(PATIENCE)
        except (concurrent.futures.CancelledError, SystemExit):
            raise self._interrupted() from None
        except concurrent.futures.TimeoutError:
            if answer.done():
                raise  # Its own.
            answer.cancel()
            raise Interrupted(f"{self.worker} did not answer {method.name} within {PATIENCE:g}s") from None

    async def close(self) -> None:
        """Nothing was opened to call it."""

    def withdraw(self) -> None:
        """Take no new calls. Harmless twice."""
        with self._lock:
            self._withdrawn = True
        if _offered.get(self.key) is self:
            del _offered[self.key]

    def calls(self) -> "list[asyncio.Future[None]]":
        """One for each call that is under way, done when that is; on its own loop."""
        return [asyncio.ensure_future(_over(answer)) for answer in list(self._pending)]

    def end(self) -> None:
        """Take none, and give up those that are under way; on its own loop. Harmless twice."""
        self.withdraw()
        for answer in list(self._pending):
            answer.cancel()

    def _require(self) -> None:
        if self._withdrawn:
            raise Unsent(f"{self.worker} does not offer {self.contract.name} any more")

    def _hop(
        self, method: Method, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> "concurrent.futures.Future[Any]":
        with self._lock:
            self._require()
            answer = asyncio.run_coroutine_threadsafe(self._run(method, args, kwargs), self._loop)
            self._pending.add(answer)
        answer.add_done_callback(self._pending.discard)
        return answer

    async def _run(self, method: Method, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        found = getattr(self._target, method.name)(*args, **kwargs)
        return await found if method.waits else found

    def _interrupted(self) -> Interrupted:
        return Interrupted(f"{self.worker} ended before it had answered")


async def _over(answer: "concurrent.futures.Future[Any]") -> None:
    """How it ended is the caller's."""
    over, loop = asyncio.Event(), asyncio.get_running_loop()
    answer.add_done_callback(lambda _: loop.call_soon_threadsafe(over.set))
    await over.wait()


_offered: dict[tuple[str, str, str], Offered] = {}
"""(master, worker, name) -> what this process offers."""


def publish(made: Offered) -> None:
    """Let an object be called from within this process. Of one name the last one counts."""
    if (before := _offered.get(made.key)) is not None and before is not made:
        before.withdraw()
    _offered[made.key] = made


def offered(master: str, worker: str, name: str, contract: str) -> list[Offered]:
    """What a worker, or a group, offers of a contract: by this name, or if that is empty by whatever name."""
    found = []
    for (home, id, called), one in list(_offered.items()):
        group, _, number = id.rpartition(".")
        of_it = id == worker or (group == worker and number.isdigit())
        if home == master and of_it and (called == name if name else one.contract.name == contract):
            found.append(one)
    return sorted(found, key=lambda one: one.worker)
