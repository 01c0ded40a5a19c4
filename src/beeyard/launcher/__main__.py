"""`python -I -S __main__.py ROLE --state DIR …`: runs as launcher or as pump, with nothing of ours but this folder."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from beeyard.launcher import main, pump
from beeyard.launcher.paths import Paths


def run(arguments: list[str]) -> int:
    """Roles: `launcher --state DIR [--resume FD] [-- MASTER ARGV…]`, `pump --state DIR [-- LAUNCHER ARGV…]`."""
    role, _, state, *rest = arguments
    return pump.main(Paths(state), rest[1:]) if role == "pump" else main.main(Paths(state), rest)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
