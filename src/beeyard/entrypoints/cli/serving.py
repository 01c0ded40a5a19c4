"""A master that serves a state folder: found, started, waited for until it serves or until nothing of it is left."""

import asyncio
import contextlib
import json
import os
import signal
import time
from importlib.metadata import version

from beeyard.application.operations.info import Info, InfoView
from beeyard.domain.errors import BeeyardError, Refused, Unavailable
from beeyard.entrypoints.cli.client import Client
from beeyard.entrypoints.cli.screen import say
from beeyard.entrypoints.place import command, last_word, running
from beeyard.launcher.locks import holder
from beeyard.launcher.paths import Paths

START = 20.0
"""Seconds for a master to serve after its launcher was started."""
RETURN = 35.0
"""The same where a launcher is at work already: it pauses up to 30 s between two tries."""
END = 15.0
"""Seconds for launcher and pump to end after the master did."""

ALREADY_RUNNING = 4
"""The launcher's exit code when another was faster."""


def serves(paths: Paths) -> InfoView | None:
    """The master that answers now, if one does; one whose launcher is just bringing it back is waited for."""
    try:
        info: InfoView = Client(paths).ask(Info())
    except Unavailable:
        return None
    return info


def ensure(paths: Paths) -> bool:
    """See to it that a master serves. Returns whether it was started here.

    Raises:
        BeeyardError: what keeps it from starting, in its own words; then nothing that we started still runs.
    """
    if info := serves(paths):
        if info.version != version("beeyard"):
            renew(paths, info)
        return False
    from beeyard.adapters.host.launcher import start_launcher
    from beeyard.bootstrap import master_argv

    if holder(paths.launcher_lock) is not None:
        _await(paths, None, time.monotonic() + RETURN)
        return True
    with contextlib.suppress(OSError):
        os.unlink(paths.master_error)  # Another start's word.
    pid = start_launcher(paths, master_argv(paths))
    try:
        _await(paths, pid, time.monotonic() + START)
    except KeyboardInterrupt:
        # A launcher told to quit now would leave its master, and that would start another launcher.
        with contextlib.suppress(BeeyardError):
            _await(paths, pid, time.monotonic() + START)
            undo(paths)
        raise
    except BeeyardError:
        quit_launcher(paths)
        raise
    return True


def renew(paths: Paths, info: InfoView) -> None:
    """Put the installed version in the place of the running one: launcher in place, master anew, workers untouched."""
    from beeyard.adapters.host.launcher import replace_launcher
    from beeyard.bootstrap import master_argv

    say(f"replacing version {info.version} by {version('beeyard')}; workers go on")
    if not asyncio.run(replace_launcher(paths, master_argv(paths))):
        raise Refused("not_replaced", "the launcher refused to be replaced", hint=f"see {paths.daemon_log}")
    if holder(paths.master_lock) == info.master_pid:  # Never a pid that merely stands in an answer.
        with contextlib.suppress(ProcessLookupError):
            os.kill(info.master_pid, signal.SIGTERM)
    deadline = time.monotonic() + RETURN
    while (now := serves(paths)) is None or now.master_pid == info.master_pid:
        if time.monotonic() >= deadline:
            raise last_word(paths) or Unavailable("not_back", "the new master does not answer", hint=paths.daemon_log)
        time.sleep(0.02)


def undo(paths: Paths) -> None:
    """End a master that was started in vain; one that found workers running stays with them."""
    from beeyard.application.operations.down import Down
    from beeyard.application.operations.ps import Ps

    client = Client(paths)
    if all(view.pid is None for view in client.ask(Ps())):
        client.ask(Down())
        await_end(paths)


def _await(paths: Paths, launcher: int | None, deadline: float) -> None:
    client = Client(paths, returning=0.0)
    pause = 0.01
    while True:
        try:
            client.ask(Info())
            return
        except Unavailable as error:
            late = error
        if launcher is not None:
            if (word := last_word(paths)) is not None:
                raise word
            launcher = _alive(paths, launcher)
        if time.monotonic() >= deadline:
            raise last_word(paths) or late
        time.sleep(pause)
        pause = min(0.1, pause * 1.5)


def _alive(paths: Paths, launcher: int) -> int | None:
    """Its pid while it runs; None when another one was faster. Raises Unavailable when it ended."""
    done, status = os.waitpid(launcher, os.WNOHANG)
    if done == 0:
        return launcher
    if os.waitstatus_to_exitcode(status) == ALREADY_RUNNING:
        return None
    raise Unavailable(
        "launcher_ended",
        "the launcher could not start: {reason}",
        reason=_last_line(paths.daemon_log) or f"exit code {os.waitstatus_to_exitcode(status)}",
        hint=f"see {paths.daemon_log}",
    )


def _last_line(path: str) -> str:
    with contextlib.suppress(OSError, ValueError, KeyError), open(path, encoding="utf-8", errors="replace") as file:
        lines = file.read()[-4096:].splitlines()
        last = lines[-1] if lines else ""
        return str(json.loads(last)["message"]) if last.startswith("{") else last.partition("]: ")[2]
    return ""


def quit_launcher(paths: Paths) -> bool:
    """Ask a launcher to end; False when it goes on, because workers run."""
    from beeyard.adapters.host.launcher import quit_launcher

    return asyncio.run(quit_launcher(paths))


def await_end(paths: Paths) -> None:
    """Until nobody holds a lock of this state folder. Raises Unavailable naming who still does."""
    deadline = time.monotonic() + END
    while left := running(paths):
        if time.monotonic() >= deadline:
            raise Unavailable(
                "still_ending",
                "{who} of {state} did not end in time",
                who=" and ".join(f"{name} (pid {pid})" for name, pid in left.items()),
                state=paths.state,
                hint=f"see {paths.daemon_log}; {command(paths, 'down')} again",
            )
        time.sleep(0.02)


def unserved(paths: Paths, error: BeeyardError) -> BeeyardError:
    """Why a master that its launcher can't bring back can't be ended either, and how to go on."""
    launcher = holder(paths.launcher_lock)
    if launcher is None:
        return Unavailable(
            "launcher_ended",
            "neither launcher nor master of {state} is there; workers may still run",
            state=paths.state,
            hint=f"{command(paths, 'up')} takes them over, then {command(paths, 'down')}",
        )
    return Unavailable(
        "master_broken",
        "workers run, and the master that would stop them does not start: {reason}",
        reason=str(error),
        hint=f"mend that, then {command(paths, 'down')}; or `kill {launcher}`: ends the launcher, leaves the workers",
    )
