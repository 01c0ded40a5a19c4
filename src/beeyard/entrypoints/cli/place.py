"""What a state folder tells without its master: who holds its locks, what kept a master from starting."""

import json
import os

from beeyard.domain.errors import BeeyardError
from beeyard.entrypoints.http.problems import from_problem
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


def command(paths: Paths, words: str) -> str:
    """A command line for this state folder, to be typed as it stands."""
    if paths.state == os.path.abspath(default_state()):
        return f"beeyard {words}"
    import shlex

    return f"beeyard --state-dir {shlex.quote(paths.state)} {words}"
