"""What master, launcher and pump have to say goes to daemon.log: one line each, all of one form.

    2026-01-02T03:04:05+0000 master[123]: text
    {"at": "2026-01-02T03:04:05+0000", "role": "master", "pid": 123, "level": "info", "message": "text"}

The second for programs that read it, where the environment says BEEYARD_LOG_FORMAT=json.
"""

import contextlib
import os
import time
from typing import Protocol

FORMAT = "BEEYARD_LOG_FORMAT"


class Say(Protocol):
    """One line of text. A log that can't be written stops nobody."""

    def __call__(self, text: str) -> None: ...


def line(role: str, text: str, level: str = "info") -> str:
    """What stands in the log, without the end of the line."""
    at = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    if os.environ.get(FORMAT) != "json":
        return f"{at} {role}[{os.getpid()}]: {text}"
    import json  # 3 ms of the launcher's start, for those who want it

    return json.dumps({"at": at, "role": role, "pid": os.getpid(), "level": level, "message": text})


def voice(role: str) -> Say:
    """The voice of one program."""

    def say(text: str) -> None:
        with contextlib.suppress(OSError):
            os.write(2, f"{line(role, text)}\n".encode("utf-8", "surrogateescape"))

    return say
