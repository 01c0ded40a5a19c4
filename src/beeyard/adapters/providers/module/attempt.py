"""One attempt of a module in an apartment: loaded, hosted, heard and ended there.

Everything here is called either by the master, on its loop, or by the apartment, in its thread; what passes between
the two are calls that one has the other's loop make.
"""

import asyncio
import signal
from collections.abc import Callable

from beeyard.adapters.apartments.attempt import Attempt, Order
from beeyard.adapters.apartments.looping import Looping
from beeyard.domain.messages import Exit
from beeyard.ports.notify import Word
from beeyard.sdk.code import Code, fresh
from beeyard.sdk.hosting import Hosting
from beeyard.sdk.report import Report
from beeyard.sdk.run import UNFIT, Lines
from beeyard.sdk.terms import Terms
from beeyard.sdk.words import Unfit


class ModuleAttempt(Attempt):
    """Made and started by the master. Implements sdk.hosting.Voice."""

    def __init__(self, order: Order, terms: Terms) -> None:
        super().__init__(order, Lines(order.spec.id))
        self._terms = terms
        self._stopping = False
        self._hosting: Hosting | None = None
        self._loaded: list[Code] = []
        self._looping: Looping | None = None

    # --- what the master asks ---------------------------------------------------------------------------------------

    def start(self) -> None:
        self._looping = Looping(self.spec.id)
        try:
            super().start()
        except RuntimeError:
            self._looping.close()
            raise

    def stop(self) -> None:
        self._stopping = True
        self._soon(self._stop)

    def swap(self) -> None:
        """Have new code take over. Its report says what came of it."""
        self._soon(self._swap)

    def cancel(self) -> None:
        if self._looping is not None:
            self._looping.cancel()

    def evict(self) -> None:
        """Also one that sleeps on its loop."""
        super().evict()
        self._soon(lambda: None)

    def _soon(self, call: Callable[..., object], *given: object) -> None:
        """On its loop, if it has one by now."""
        if self._looping is not None:
            self._looping.soon(call, *given)

    # --- in its thread ----------------------------------------------------------------------------------------------

    def work(self) -> Exit:
        try:
            return self._lived()
        except asyncio.CancelledError:
            return Exit(signal=signal.SIGTERM, note="it was cut short while it stopped")
        except SystemExit as error:
            given = error.code
            return Exit(0 if given is None else given if isinstance(given, int) else 1, note="it called sys.exit")
        finally:
            assert self._looping is not None
            self._looping.close()
            for code in self._loaded:
                code.release()

    def _load(self) -> Code:
        code = fresh(self._terms)
        self._loaded = [*(one for one in self._loaded if one.held), code]
        return code

    def _lived(self) -> Exit:
        logger = self.tenant.logger
        try:
            code = self._load()
        except Unfit as error:
            logger.error("%s", error, exc_info=error.__cause__)
            return Exit(UNFIT, note=str(error))
        assert self._looping is not None
        hosting = self._hosting = Hosting(code, self._terms, self, logger, self._counts, self._looping.tasks)
        if self._stopping:
            return Exit(0)
        ended = self._looping.run(hosting.run, hosting.exited)
        return Exit(ended.code, note=ended.reason)

    def _stop(self) -> None:
        if self._hosting is not None:
            self._hosting.stop()

    def _swap(self) -> None:
        if self._hosting is not None:
            self._hosting.swap(self._load)

    def _counts(self) -> tuple[int, int]:
        assert self._hosting is not None
        return self._hosting.tasks(), len(self.tenant.lodgers())

    def uncaught(self, error: BaseException, where: str) -> None:
        """In any of its threads."""
        if self._hosting is not None:
            self._soon(self._hosting.uncaught, error, where)

    def ready(self, report: Report) -> None:
        self._tell(Word(ready=True, report=report))

    def report(self, report: Report) -> None:
        self._tell(Word(report=report))

    def stopping(self) -> None:
        self._tell(Word(stopping=True))
