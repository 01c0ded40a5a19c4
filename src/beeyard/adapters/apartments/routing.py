"""Has what a tenant's threads print, log and start be that tenant's; everybody else notices nothing.

Installed once, when a first tenant comes. Python has one standard output, one root logger and one way to start a
thread for all of a process, so each of them is asked whose the thread is that uses it. What goes past them does not
come here: descriptors 1 and 2 themselves, and threads that a C library starts.

It is not taken back when the last tenant has gone: by then others hold what stands there, or have put theirs around it.
"""

import logging
import sys
import threading
from collections.abc import Callable
from typing import Any, Literal

from beeyard.adapters.apartments.tenant import Tenant, here

_TOLD = "beeyard_told"
_OURS = "beeyard_ours"


class Routed:
    """Standard output or error of the whole process, in the place of what it was before."""

    def __init__(self, name: Literal["out", "err"], before: Any) -> None:
        self._name = name
        self._before = before

    def write(self, text: str) -> int:
        written: int = self._now().write(text)
        return written

    def flush(self) -> None:
        self._now().flush()

    def _now(self) -> Any:
        tenant = here()
        return self._before if tenant is None else getattr(tenant, self._name)

    def __getattr__(self, name: str) -> Any:
        tenant = here()
        return getattr(self._before if tenant is None else getattr(tenant, self._name).stream(), name)


class Diverted(logging.Filter):
    """Of the root logger's handlers: what a tenant logs goes to its own log, once, and not where ours goes."""

    def filter(self, record: logging.LogRecord) -> bool:
        tenant = here()
        if tenant is None:
            return True
        if not hasattr(record, _TOLD):
            setattr(record, _TOLD, True)
            tenant.log.handle(record)
        return False


_diverted = Diverted()


def install() -> None:
    """Harmless twice. What others put in the place of these since then is routed as well, and is not undone."""
    if not isinstance(sys.stdout, Routed):
        sys.stdout = Routed("out", sys.stdout)
    if not isinstance(sys.stderr, Routed):
        sys.stderr = Routed("err", sys.stderr)
    for handler in (*logging.getLogger().handlers, logging.lastResort):
        if handler is not None:
            handler.addFilter(_diverted)
    thread = threading.Thread
    if not hasattr(thread.start, _OURS):
        thread.start = _starting(thread.start)  # type: ignore[method-assign,assignment]
    if not hasattr(thread.__init__, _OURS):
        thread.__init__ = _making(thread.__init__)  # type: ignore[method-assign]


def _making(init: Callable[..., None]) -> Callable[..., None]:
    """What a tenant's thread starts is no daemon thread unless that was asked for, as in a process of its own."""

    def made(self: threading.Thread, *args: Any, **options: Any) -> None:
        if options.get("daemon") is None and here() is not None:
            options["daemon"] = False
        init(self, *args, **options)

    setattr(made, _OURS, True)
    return made


def _starting(start: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
    def started(self: threading.Thread) -> None:
        tenant = here()
        if tenant is not None and not hasattr(self.run, _OURS):
            _adopt(self, tenant)
        start(self)

    setattr(started, _OURS, True)
    return started


def _adopt(thread: threading.Thread, tenant: Tenant) -> None:
    """Have the thread be its starter's. The end of the master waits for none of these, whatever they are."""
    awaited, run = not thread.daemon, thread.run
    thread.daemon = True

    def lived() -> None:
        del thread.run  # The class has it still.
        tenant.enter(awaited=awaited)
        try:
            run()
        except SystemExit:
            pass  # As Python does: sys.exit ends the thread that calls it.
        except BaseException as error:
            tenant.uncaught(error, f"the thread {thread.name}")
        finally:
            tenant.leave()

    setattr(lived, _OURS, True)
    thread.run = lived  # type: ignore[method-assign]
