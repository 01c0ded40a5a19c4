"""Short commands beside a worker, for probes: output caught up to a limit, the whole tree ended after a time-out."""

import contextlib
import os
import signal
from collections.abc import Callable, Mapping
from typing import Any

from beeyard.launcher.attempts import Attempts
from beeyard.launcher.kernel import ending
from beeyard.launcher.loop import Loop, Timer

MOST = 4096
"""Bytes of output that are kept; the rest is read and dropped."""

Answer = Callable[[dict[str, Any]], None]


class Command:
    """One that runs."""

    __slots__ = ("answer", "output", "pid", "pipe", "timed_out", "timer")

    def __init__(self, pid: int, pipe: int, timer: Timer, answer: Answer) -> None:
        self.pid = pid
        self.pipe = pipe
        self.timer = timer
        self.answer = answer
        self.output = b""
        self.timed_out = False


class Commands:
    """All that run at this moment."""

    def __init__(self, loop: Loop, attempts: Attempts) -> None:
        self._loop = loop
        self._attempts = attempts
        self._running: dict[int, Command] = {}

    def run(self, message: Mapping[str, Any], answer: Answer) -> None:
        """Start one; `answer` gets code or signal, output, and whether it timed out. Raises SpawnFailed."""
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            pid = self._attempts.run(message, writer)
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        timer = self._loop.later(message["timeout"], lambda: self._overdue(pid))
        command = Command(pid, reader, timer, answer)
        self._running[pid] = command
        self._loop.watch(reader, lambda _: self._read(command))

    def reaped(self, pid: int, status: int) -> bool:
        """Whether this child was a command; if so, it is answered."""
        command = self._running.pop(pid, None)
        if command is None:
            return False
        command.timer.cancel()
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)  # What it left behind in its session.
        self._read(command)
        if command.pipe >= 0:
            self._close(command)
        output = command.output.decode("utf-8", "replace")
        command.answer({**ending(status), "output": output, "timed_out": command.timed_out})
        return True

    def _read(self, command: Command) -> None:
        while command.pipe >= 0:
            try:
                data = os.read(command.pipe, 65536)
            except BlockingIOError:
                return
            command.output += data[: MOST - len(command.output)]
            if not data:
                self._close(command)

    def _close(self, command: Command) -> None:
        self._loop.forget(command.pipe)
        os.close(command.pipe)
        command.pipe = -1

    def _overdue(self, pid: int) -> None:
        command = self._running.get(pid)
        if command is not None:
            command.timed_out = True
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGKILL)
