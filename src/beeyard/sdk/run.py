"""`python -m beeyard.sdk.run`: a process that hosts one module, on the terms in its environment.

Knows signals, exit codes and the log on standard error; what it does with the module, `hosting` knows. It loads as
little as it can: each line of imports here is paid by every worker that runs a module as a process.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
import time
from types import FrameType

import msgspec

from beeyard.sdk import terms
from beeyard.sdk.code import fresh, ordinary
from beeyard.sdk.hosting import Ended, Hosting, Voice
from beeyard.sdk.notify import Spoken
from beeyard.sdk.sockets import passed
from beeyard.sdk.terms import SWAP, Terms
from beeyard.sdk.words import Unfit

UNFIT = 78
"""The exit code for what can't be run as a module: EX_CONFIG of sysexits(3)."""
LINGER = 2.0
"""Seconds for what still works when the module has ended: its generators, its threads."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def main() -> int:
    """Returns the exit code."""
    try:
        given = terms.given()
    except msgspec.MsgspecError as error:
        given, wrong = None, f"{terms.TERMS} can't be read: {error}"
    else:
        wrong = f"{terms.TERMS} is not set: `beeyard run` is for people, this for a master"
    os.environ.pop(terms.TERMS, None)  # What the module starts needs none of it, least of all secrets.
    if given is None:
        sys.stderr.write(f"{wrong}\n")
        return UNFIT
    return host(given, Spoken(), swaps=True)


def host(given: Terms, voice: Voice, level: int = logging.INFO, *, swaps: bool = False) -> int:
    """One attempt in this process, on this thread, from the import of its code to its end. Returns the exit code.

    `swaps`: SIGHUP has it take new code.
    """
    logger = _logging(given.worker, level)
    try:
        code = ordinary(given)
    except Unfit as error:
        logger.error("%s", error, exc_info=error.__cause__)
        return UNFIT
    loop = _loop()
    asyncio.set_event_loop(loop)
    hosting = Hosting(
        code, given, voice, logger, lambda: (hosting.tasks(), threading.active_count() - 1), sockets=passed()
    )
    _heed_signals(loop, hosting)
    if swaps:
        _heed_swaps(loop, hosting, given)
    _heed_threads(loop, hosting)
    try:
        ended = lived(loop, hosting)
    finally:
        _close(loop)
    return ended.code


def lived(loop: asyncio.AbstractEventLoop, hosting: Hosting) -> Ended:
    """The attempt on its loop; a task that calls `sys.exit` stops the loop, and how that ends goes on from there."""
    attempt = loop.create_task(hosting.run())
    while True:
        try:
            return loop.run_until_complete(attempt)
        except SystemExit as error:
            hosting.exited(error)


def _loop() -> asyncio.AbstractEventLoop:
    """uvloop's where it is installed: twice as fast with sockets, for some milliseconds."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _heed_signals(loop: asyncio.AbstractEventLoop, hosting: Hosting) -> None:
    """The first one stops the module, the second ends the process, also one whose loop is blocked."""

    told = False

    def heed(number: int, frame: FrameType | None) -> None:
        nonlocal told
        if told or loop.is_closed():
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        told = True
        loop.call_soon_threadsafe(hosting.stop)

    for number in SIGNALS:
        signal.signal(number, heed)


def _heed_swaps(loop: asyncio.AbstractEventLoop, hosting: Hosting, given: Terms) -> None:
    def heed(number: int, frame: FrameType | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(hosting.swap, lambda: fresh(given))

    signal.signal(SWAP, heed)


def _heed_threads(loop: asyncio.AbstractEventLoop, hosting: Hosting) -> None:
    """Errors that end a thread, and that nobody caught."""

    def uncaught(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is None or isinstance(args.exc_value, SystemExit):
            return  # As Python does: sys.exit ends the thread that calls it.
        name = args.thread.name if args.thread is not None else "one that is gone"
        try:
            loop.call_soon_threadsafe(hosting.uncaught, args.exc_value, f"the thread {name}")
        except RuntimeError:  # The loop is closed.
            threading.__excepthook__(args)

    threading.excepthook = uncaught


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """Within a bound, whatever the module's generators do."""
    with contextlib.suppress(Exception):
        loop.run_until_complete(asyncio.wait_for(loop.shutdown_asyncgens(), LINGER))
    asyncio.set_event_loop(None)
    loop.close()


class Lines(logging.Formatter):
    """`LEVEL text`; a logger other than the worker's own is named."""

    def __init__(self, worker: str) -> None:
        super().__init__("%(levelname)s %(message)s")
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        return line if record.name == self._worker else line.replace(" ", f" {record.name}: ", 1)


def _logging(worker: str, level: int) -> logging.Logger:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(worker))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    return logging.getLogger(worker)


def part(code: int) -> None:
    """What remains to be done before the process ends. Python would wait for every thread that still works, however
    long; we do for a while, and do not come back if one is left."""
    until = time.monotonic() + LINGER
    for thread in _working():
        thread.join(max(0.0, until - time.monotonic()))
    if not (left := _working()):
        return
    logging.getLogger("beeyard").warning("threads that still work: %s", ", ".join(thread.name for thread in left))
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _working() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread is not threading.main_thread() and not thread.daemon]


if __name__ == "__main__":
    code = main()
    part(code)
    sys.exit(code)
