"""The end of the whole master when one worker fails for good, as that worker's `exit_on: failure` wishes.

It begins in the turn that sees the failure and is noted in the same commit, so that a master that dies meanwhile goes
on with it when it comes back. It knows why; how workers are stopped, and in which order, only the master knows.
"""

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from beeyard.domain.errors import BeeyardError, Rejected
from beeyard.domain.worker import Down, Failed, Worker, describe

EXIT_ON = "exit_on"
"""The fact that says for which worker everything is going down, and why; empty when it is not."""
TIMEOUT = 30.0
"""Seconds until what has not ended is killed."""
AGAIN = 1.0
"""Seconds between two tries while nothing can be saved, or somebody does not end."""

log = logging.getLogger("beeyard")


class Exiting:
    """Of one master. `reason` says why it goes down; None while it does not."""

    def __init__(self, master: Any, spawn: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self.reason: BeeyardError | None = None
        self._master = master
        self._spawn = spawn

    def wake(self) -> None:
        """Go on with what an earlier master had begun."""
        name, _, how = self._master.records.facts.get(EXIT_ON, "").partition("\n")
        if name:
            self._begin(name, how)

    def gave_up(self, worker: Worker) -> None:
        """A worker failed for good."""
        if worker.spec.exit_on == "failure" and self.reason is None:
            how = _how(worker)
            self._master.records.fact(EXIT_ON, f"{worker.id}\n{how}")
            self._begin(worker.id, how)

    def _begin(self, name: str, how: str) -> None:
        self.reason = Rejected(
            EXIT_ON,
            "{worker} failed, and everything goes down with it (exit_on: failure): {how}",
            worker=name,
            how=how,
            hint=f"mend {name}, then beeyard up",
        )
        self._spawn(self._go(name, str(self.reason)))

    async def _go(self, name: str, reason: str) -> None:
        log.error("%s", reason)
        try:
            await self._master.audit.noted(EXIT_ON, reason, {"worker": name})
        except BeeyardError as error:
            log.warning("why everything goes down is not in the journal: %s", error)
        while not await self._down():
            await self._master.until(lambda: False, AGAIN)
        self._master.records.fact(EXIT_ON, "")
        self._master.finished.set()

    async def _down(self) -> bool:
        try:
            stuck = await self._master.shut_down(TIMEOUT)
        except BeeyardError as error:
            log.warning("going down has to wait: %s", error)
            return False
        if stuck:
            log.warning("%s did not end even when killed; trying again", ", ".join(stuck))
        return not stuck


def _how(worker: Worker) -> str:
    """How it ended last, and why it is not started again."""
    ended = describe(worker.death.exit) if worker.death is not None else "end unknown"
    return f"{ended}; {worker.phase.reason}" if isinstance(worker.phase, Down | Failed) else ended
