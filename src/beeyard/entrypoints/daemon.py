"""The master as a daemon: `python -m beeyard.entrypoints.daemon STATE`, started by the launcher and by nobody else.

SIGTERM ends it and leaves the workers running; `down` ends workers, master and launcher. What keeps it from starting is
left in STATE/run/master.error for whoever waits for it; so is why it ended, where nobody asked it to.
"""

import asyncio
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Coroutine
from typing import Any, NoReturn

from beeyard import bootstrap
from beeyard.adapters.host.launcher import quit_launcher
from beeyard.application.master import Master
from beeyard.application.problems import to_problem
from beeyard.domain.errors import BeeyardError, Refused, Unavailable
from beeyard.entrypoints import package_folder
from beeyard.entrypoints.http.listening import serving
from beeyard.launcher import voice
from beeyard.launcher.locks import holder, lock
from beeyard.launcher.paths import Paths

log = logging.getLogger("beeyard")


class _Voice(logging.Formatter):
    """What the master says, as launcher and pump say it; a traceback stands below its line, or inside its message."""

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        text = super().format(record)  # Message and traceback.
        return voice.line("master", text, record.levelname.lower())


def main(state: str) -> int:
    """Run until told to end. Returns the exit code."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Voice())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    paths = Paths(state)
    held = None
    try:
        try:
            paths.create()
            held = lock(paths.master_lock)
        except OSError as error:
            raise Unavailable(
                "state_unwritable",
                "the state folder {path} can't be used: {reason}",
                path=error.filename or paths.state,
                reason=error.strerror,
            ) from None
        if held is None:
            pid = holder(paths.master_lock)
            raise Refused("master_running", "another master (pid {pid}) serves {state}", pid=pid, state=paths.state)
        _run(_serve(paths))
    except Exception as error:
        reason = _reason(error)
        if not isinstance(reason, BeeyardError):
            log.exception("the master ends: this is a bug in Beeyard")
            reason = BeeyardError(
                "internal", "error in Beeyard: {error!r}", error=reason, hint=f"see {paths.daemon_log}"
            )
        log.error("%s%s", reason, f" ({reason.hint})" if reason.hint else "")
        if held is not None:
            _leave_word(paths, reason)
        return reason.exit
    return 0


def _reason(error: BaseException) -> BaseException:
    """What a task group wrapped: the first error that is one of ours, else the first."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    reasons = [_reason(inner) for inner in error.exceptions]
    return next((reason for reason in reasons if isinstance(reason, BeeyardError)), reasons[0])


async def _serve(paths: Paths) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # Ctrl-C is for whoever is in the foreground.
    application = await bootstrap.build(
        paths, keep_master=bootstrap.master_argv(paths), read=package_folder.read, kind=Master
    )
    master = application.master

    def leave() -> None:
        application.launcher.retire()  # It may be the one that tells us, for it ends as well.
        told.set()

    loop.add_signal_handler(signal.SIGTERM, leave)
    async with master.running(), serving(master, paths.master_socket):
        _leave_word(paths, None)
        log.info("master of %s: %d workers", paths.state, len(master.supervisors))
        ends = [asyncio.ensure_future(event.wait()) for event in (told, master.finished)]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
    if master.finished.is_set():
        _leave_word(paths, master.exiting.reason)
        await quit_launcher(paths)
        log.info("master of %s ended", paths.state)
    else:
        log.info("master of %s ended; workers go on", paths.state)


def _leave_word(paths: Paths, error: BeeyardError | None) -> None:
    """Write why we can't start, or ended by ourselves, or take that word back."""
    if error is None:
        if os.path.exists(paths.master_error):
            os.unlink(paths.master_error)
        return
    with open(paths.master_error, "w", encoding="utf-8") as file:
        json.dump(to_problem(error), file)


def _run(main: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)


def end(code: int) -> NoReturn:
    """End the process. Python would wait for threads that a module left behind, however long."""
    if threading.active_count() > 1:
        logging.shutdown()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    end(main(sys.argv[1]))
