"""How a process says how it is: sd_notify(3), one datagram a word, to whoever started it."""

import os
import socket
from collections.abc import Mapping

import msgspec

from beeyard.sdk.report import Report

SOCKET = "NOTIFY_SOCKET"
REPORT = "X_BEEYARD_MODULE"
"""The assignment that holds a module's report, as JSON."""


def notify(text: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Say one or several assignments such as `READY=1`, a line each. False: nobody listens."""
    address = environment.get(SOCKET, "")
    if not address:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as spoken:
        try:
            spoken.sendto(text.encode(), f"\0{address[1:]}" if address.startswith("@") else address)
        except OSError:
            return False
    return True


class Spoken:
    """The voice of a module in a process of its own. Implements hosting.Voice.

    That it is ready is said with every report: nobody may have listened when it became so.
    """

    def __init__(self) -> None:
        self._ready = ""

    def ready(self, report: Report) -> None:
        self._ready = "READY=1\n"
        self.report(report)

    def report(self, report: Report) -> None:
        notify(f"{self._ready}{REPORT}={msgspec.json.encode(report).decode()}")

    def stopping(self) -> None:
        self._ready = ""
        notify("STOPPING=1")
