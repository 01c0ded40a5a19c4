"""Brings the launcher back if it was killed together with everything that would have brought it back.

Knows a command and when to run it; does not know who is connected, it is told.
"""

import os
import signal

FIRST, LONGEST = 1.0, 60.0
"""Seconds without a launcher before it is started, doubled at each further try, and their limit."""

IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGTERM, signal.SIGCHLD)
"""What the pump is deaf to; whoever it starts must not inherit that. SIGCHLD ignored leaves no zombies."""


class Revival:
    """Due while no launcher is connected, once there was one that said how to start it."""

    def __init__(self, said_to: str) -> None:
        self.due: float | None = None
        self._said_to = said_to
        self._argv: list[str] = []
        self._delay = FIRST

    def present(self, argv: list[str]) -> None:
        """A launcher said hello, and how to start the next."""
        self._argv = argv
        self.due = None
        self._delay = FIRST

    def absent(self, now: float) -> None:
        """The last launcher is gone."""
        if self._argv:
            self.due = now + self._delay

    def cancel(self) -> None:
        """There shall be no more launchers."""
        self._argv = []
        self.due = None

    def start(self, now: float) -> int:
        """Start it, detached, what it says going to the daemon's log; returns its pid. OSError: that failed."""
        self._delay = min(self._delay * 2, LONGEST)
        self.due = now + self._delay
        writing = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        return os.posix_spawn(
            self._argv[0],
            self._argv,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, self._said_to, writing, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigdef=IGNORED,
        )
