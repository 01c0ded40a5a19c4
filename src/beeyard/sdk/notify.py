"""How a process says how it is: sd_notify(3), one datagram a word, to whoever started it; where there is no socket for
that and the environment says with what to register, the same words over HTTP."""

import os
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from beeyard.sdk.report import Report

if TYPE_CHECKING:
    from beeyard.sdk.registered import Registered

SOCKET = "NOTIFY_SOCKET"
URL, REGISTRATION, CA = "BEEYARD_URL", "BEEYARD_REGISTRATION", "BEEYARD_CA"
"""The master's address, the token to register with there, and a file of certificates to trust."""
REPORT = "X_BEEYARD_MODULE"
"""The assignment that holds a module's report, as JSON."""

_registered: "list[Registered]" = []
"""This process's, from its first word on: it registers once."""


def notify(text: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Say one or several assignments such as `READY=1`, a line each. False: nobody listens."""
    address = environment.get(SOCKET, "")
    if not address:
        voice = _voice(environment)
        return voice is not None and voice.say(text)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as spoken:
        try:
            spoken.sendto(text.encode(), f"\0{address[1:]}" if address.startswith("@") else address)
        except OSError:
            return False
    return True


def _voice(environment: Mapping[str, str]) -> "Registered | None":
    if not _registered and environment.get(URL) and environment.get(REGISTRATION):
        from beeyard.sdk.registered import Registered  # Few need it, and its imports take 20 ms.

        _registered.append(Registered(environment[URL], environment[REGISTRATION], environment.get(CA, "")))
        os.environ.pop(REGISTRATION, None)  # It is used up: what this process starts could do nothing with it.
    return _registered[0] if _registered else None


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
