"""What is under way so that workers can start: each thing once, however many of them wait for it.

One that failed is tried again after pauses that grow. Knows no worker, and of packages only how they come along.
"""

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from msgspec import Struct

from beeyard.application.packages.status import PackageStatus
from beeyard.domain.errors import BeeyardError
from beeyard.domain.values import human_duration
from beeyard.ports.clock import Cancel, Clock

FIRST, LONGEST = 2.0, 60.0
"""Seconds until what failed is tried again, doubled each time."""

log = logging.getLogger("beeyard")

Tell = Callable[[PackageStatus], None]
Work = Callable[[Tell], Coroutine[Any, Any, None]]


class _Errand(Struct):
    """`reason`: what to wait for, in words; `failed`: why it failed last. `due`: when it waits to be tried again."""

    reason: str
    failed: str = ""
    busy: bool = True
    failures: int = 0
    due: Cancel | None = None
    status: PackageStatus | None = None


class Errands:
    """For one master. `over` is called with what ended, well or not, and with what is to be tried again."""

    def __init__(
        self, clock: Clock, spawn: Callable[[Coroutine[Any, Any, None]], None], over: Callable[[], None]
    ) -> None:
        self._clock = clock
        self._spawn = spawn
        self._over = over
        self._errands: dict[str, _Errand] = {}

    def run(self, key: str, doing: str, failed: str, work: Work, *, anew: bool) -> str:
        """See to it that this is under way, unless it failed just now and nobody asks `anew`. What is to be waited for,
        in words."""
        errand = self._errands.setdefault(key, _Errand(doing, busy=False))
        if anew and errand.due is not None:
            errand.due.cancel()
            errand.due, errand.failures = None, 0
        if not errand.busy and errand.due is None:
            # Whoever looks just now must learn what is wrong as well.
            errand.busy, errand.reason = True, f"{errand.failed}; it is tried again now" if errand.failed else doing
            self._spawn(self._try(key, errand, failed, work))
        return errand.reason

    def status(self, key: str) -> PackageStatus | None:
        """How it goes on with what is being brought just now."""
        errand = self._errands.get(key)
        status = None if errand is None or not errand.busy else errand.status
        return status if status is not None and status.under_way else None

    def retry(self) -> None:
        """Something changed: what failed before is tried again at once, by those who still want it."""
        waiting = [key for key, errand in self._errands.items() if not errand.busy]
        for key in waiting:
            if (due := self._errands.pop(key).due) is not None:
                due.cancel()
        for errand in self._errands.values():
            errand.failures = 0
        if waiting:
            self._over()

    async def _try(self, key: str, errand: _Errand, failed: str, work: Work) -> None:
        def tell(status: PackageStatus) -> None:
            errand.status = status

        try:
            await work(tell)
        except BeeyardError as error:
            self._wait(errand, f"{failed}: {error.advised}")
        except Exception as error:
            log.exception("%s, in an unforeseen way", failed)
            self._wait(errand, f"{failed}: error in Beeyard: {error!r}")
        else:
            del self._errands[key]
        finally:
            errand.busy, errand.status = False, None
        self._over()

    def _wait(self, errand: _Errand, failed: str) -> None:
        errand.failures += 1
        pause = min(FIRST * 2 ** (errand.failures - 1), LONGEST)
        errand.failed, errand.reason = failed, f"{failed}; it is tried again after {human_duration(pause)}"
        log.warning("%s", errand.reason)

        def due() -> None:
            errand.due = None
            self._over()

        errand.due = self._clock.call_at(self._clock.now().mono + pause, due)
