"""What launcher and pump have to say goes to daemon.log, one line each, stamped as the master stamps its own."""

import contextlib
import os
import time
from typing import Protocol


class Say(Protocol):
    """One line of text. A log that can't be written stops nobody."""

    def __call__(self, text: str) -> None: ...


def voice(role: str) -> Say:
    """The voice of one program."""

    def say(text: str) -> None:
        line = f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {role}[{os.getpid()}]: {text}\n"
        with contextlib.suppress(OSError):
            os.write(2, line.encode("utf-8", "surrogateescape"))

    return say
