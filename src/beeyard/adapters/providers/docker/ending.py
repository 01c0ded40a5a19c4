"""How a container ended: the engine's State in our words. Pure."""

import signal
from collections.abc import Mapping
from typing import Any

from beeyard.domain.messages import Exit

BEYOND = 128
"""What the engine, as a shell, adds to the number of the signal that ended a program."""
SIGNALS = frozenset(map(int, signal.valid_signals()))
NEVER_RAN = ("", "0001-01-01T00:00:00Z")


def exit_of(state: Mapping[str, Any]) -> Exit:
    """A code above 128 is taken for a signal, as usual with containers: the engine can't tell them apart."""
    code = int(state.get("ExitCode") or 0)
    number = code - BEYOND if code - BEYOND in SIGNALS else None
    killed = bool(state.get("OOMKilled"))
    oom = killed and number == signal.SIGKILL
    note = str(state.get("Error") or "")
    if killed and not oom:
        note = note or "the kernel killed one of its processes: out of memory"
    return Exit(code=None if number else code, signal=number, oom=oom, note=note)


def doubtful(found: Mapping[str, Any]) -> bool:
    """Whether it may turn out to have been out of memory: the engine hears of that on another way than of the end."""
    state = found["State"]
    killed = state.get("ExitCode") == BEYOND + signal.SIGKILL and not state.get("OOMKilled")
    return ended(state) and killed and bool(found["HostConfig"].get("Memory"))


def ended(state: Mapping[str, Any]) -> bool:
    """Whether it ran and does no more. One that was only created did not end."""
    return state.get("Status") in ("exited", "dead", "removing") and state.get("StartedAt") not in NEVER_RAN
