"""One attempt within the master, as its provider knows it: what can be asked of it, and what it tells.

Everything here is called either by the master, on its loop, or by the apartment, in its thread. What it does there,
and how that is ended, is the matter of who derives from it.
"""

import asyncio
import contextlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable

from msgspec import Struct

from beeyard.adapters.apartments.apartment import Apartment
from beeyard.adapters.apartments.outlets import Outlet
from beeyard.adapters.apartments.tenant import Tenant
from beeyard.domain.messages import Exit, Handle
from beeyard.domain.spec import WorkerSpec
from beeyard.ports.notify import Word


class Order(Struct, frozen=True):
    """What an attempt is made with: standard output and error, and who is told.

    `say` takes its words, on the master's loop; `ended` its end, likewise, when nothing of it runs any more.
    """

    spec: WorkerSpec
    number: int
    handle: Handle
    outlets: tuple[Outlet, Outlet]
    say: Callable[[Word], None]
    ended: Callable[["Attempt", Exit], None]


class Attempt(ABC):
    """Made and started by the master. `lines`: the form of what it logs.

    `exit` is set when it has ended. `asked`: how many steps of a stop were taken.
    """

    def __init__(self, order: Order, lines: logging.Formatter) -> None:
        self.spec = order.spec
        self.number = order.number
        self.handle = order.handle
        self.exit: Exit | None = None
        self.asked = 0
        self.tenant = Tenant(order.spec.id, *order.outlets, lines, self.uncaught)
        self._order = order
        self._master = asyncio.get_running_loop()
        self._apartment = Apartment(self.tenant, self.work, self._hangs, self._left)

    # --- in its thread ----------------------------------------------------------------------------------------------

    @abstractmethod
    def work(self) -> Exit:
        """All of it; how it ended."""

    @abstractmethod
    def uncaught(self, error: BaseException, where: str) -> None:
        """An error ended one of its threads; called in that thread."""

    # --- what the master asks ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Takes its time among many: not to be called on a loop.

        Raises:
            OSError: there are no descriptors left.
            RuntimeError: the system has no thread left.
        """
        self._apartment.start()

    @abstractmethod
    def stop(self) -> None:
        """Have it end by itself. Harmless twice."""

    @abstractmethod
    def cancel(self) -> None:
        """Cut short whatever it still does."""

    def condemn(self) -> None:
        """However it ends from now on, it was killed."""
        self._apartment.killed = True

    def evict(self) -> None:
        """Put an end into all its threads."""
        self._apartment.evict()

    def alive(self) -> bool:
        """Whether its own thread runs."""
        return self._apartment.alive()

    def stuck(self) -> str:
        """Where it hangs, in words."""
        return self._apartment.stuck()

    def over(self, exit: Exit) -> bool:
        """It has ended so; False when that was known."""
        if self.exit is not None:
            return False
        self._apartment.join()  # It has told all there is to tell.
        self.exit = exit
        return True

    def cpu(self) -> float:
        """Seconds that it used so far."""
        return self.tenant.cpu()

    # --- what it tells ----------------------------------------------------------------------------------------------

    def _hangs(self, where: str) -> None:
        self._tell(Word(status=hanging(where) if where else ""))

    def _tell(self, word: Word) -> None:
        with contextlib.suppress(RuntimeError):  # The master's loop is closed.
            self._master.call_soon_threadsafe(self._order.say, word)

    def _left(self, exit: Exit) -> None:
        with contextlib.suppress(RuntimeError):
            self._master.call_soon_threadsafe(self._order.ended, self, exit)


def hanging(where: str) -> str:
    """What people are told of one that does not end."""
    return f"stuck, nothing can end it but the master's own end: {where}"
