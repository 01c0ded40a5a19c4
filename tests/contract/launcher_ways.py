"""Runs the real launcher with one way of starting and keeping workers forced upon it.

    python -I -S launcher_ways.py WAY ROLE --state STATE …

Ways: `born`, forked into a cgroup; `entered`, posix_spawn from inside the cgroup, and nobody can be born into one;
`marked`, no cgroup at all.
"""

import errno
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "src"))

from beeyard.launcher import kernel, main, pump, spare, spawn
from beeyard.launcher.holding import Holding
from beeyard.launcher.paths import Paths
from beeyard.launcher.trees import MarkForest

WAYS = ("born", "entered", "marked")


def program(way: str, role: str, paths: Paths) -> list[str]:
    """The command line of launcher or pump in this way."""
    return [sys.executable, "-I", "-S", os.path.abspath(__file__), way, role, "--state", paths.state]


def run(way: str, role: str, state: str, rest: list[str]) -> int:
    """As the launcher's own entry does."""
    paths = Paths(state)
    if role == "pump":
        return pump.main(paths)
    main.MANY = 0 if way == "entered" else sys.maxsize
    if way == "entered":
        spare.fork_into = spawn.fork_into = _fork_outside  # type: ignore[attr-defined]
    if way == "marked":
        main.forest = MarkForest  # type: ignore[attr-defined]
        main.holding = lambda identity, forest: Holding(identity, forest, {})  # type: ignore[attr-defined]
    main._program = lambda role, paths: program(way, role, paths)
    return main.main(paths, rest)


def _fork_outside(cgroup: int | None) -> int:
    if cgroup is not None:
        raise OSError(errno.ENOSYS, "clone3")
    return kernel.fork_into(None)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2], sys.argv[4], sys.argv[5:]))
