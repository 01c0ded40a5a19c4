"""What a state folder tells without its master: who holds its locks, what kept a master from starting."""

import json
import os

from beeyard.application.exiting import EXIT_ON
from beeyard.application.problems import from_problem
from beeyard.domain.errors import BeeyardError, Unavailable
from beeyard.launcher.locks import holder
from beeyard.launcher.paths import Paths, default_state


def running(paths: Paths) -> dict[str, int]:
    """Which of our processes hold their locks, with their pids."""
    locks = {"master": paths.master_lock, "launcher": paths.launcher_lock, "pump": paths.pump_lock}
    return {name: pid for name, path in locks.items() if (pid := holder(path)) is not None}


def last_word(paths: Paths) -> BeeyardError | None:
    """What keeps the master from starting, as it said itself; None when it left no word."""
    try:
        with open(paths.master_error, encoding="utf-8") as file:
            return from_problem(json.load(file))
    except (OSError, ValueError):
        return None


def went_down(paths: Paths) -> BeeyardError | None:
    """Why the last master went down by itself; None when it was told to, or when there is one."""
    word = last_word(paths)
    return word if word is not None and word.code == EXIT_ON and not running(paths) else None


def command(paths: Paths, words: str) -> str:
    """A command line for this state folder, to be typed as it stands."""
    if paths.state == os.path.abspath(default_state()):
        return f"beeyard {words}"
    import shlex

    return f"beeyard --state-dir {shlex.quote(paths.state)} {words}"


def absent(paths: Paths) -> BeeyardError:
    """Why nobody answers: `no_master`, `master_away` while it is started again, or what keeps it from that."""
    left = running(paths)
    if not left:
        text = "no master serves {state}"
        return Unavailable("no_master", text, state=paths.state, hint=command(paths, "up"))
    if (word := last_word(paths)) is not None:
        return word
    if "launcher" not in left:
        text = "the master of {state} does not answer, and no launcher is there to start it again"
        return Unavailable("master_away", text, state=paths.state, hint=command(paths, "up"))
    who = f"the launcher (pid {left['launcher']})"
    return Unavailable(
        "master_away",
        "the master of {state} does not answer; {who} is starting it again",
        state=paths.state,
        who=who,
        hint=f"see {paths.daemon_log}",
    )
