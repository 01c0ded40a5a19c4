"""Small values with one spelling inside: parsed once at the edge, trusted afterwards.

Seconds are floats, memory is bytes, signals are numbers. The parsers raise ValueError with the expected form as text;
whoever reads a file adds the place.
"""

import re
import signal
from typing import NewType

WorkerId = NewType("WorkerId", str)
"""`web`, or `web.2` for an instance of the group `web`."""

Duration = NewType("Duration", float)
"""Seconds."""

Memory = NewType("Memory", int)
"""Bytes."""

SignalNumber = NewType("SignalNumber", int)

NAME = r"^[A-Za-z0-9_-]{1,64}(?!\n)$"
"""For the bounds of a type, as all patterns are that come from outside: `$` alone would let a last newline pass."""
NAME_EXPECTED = "1 to 64 letters, digits, '_' or '-'"
WORKER = r"^[A-Za-z0-9_-]{1,64}(\.[1-9][0-9]{0,4})?(?!\n)$"
WORKER_EXPECTED = f"{NAME_EXPECTED}, and '.N' for an instance"

_NAME = re.compile(NAME)
_WORKER = re.compile(WORKER)
_NUMBER = r"([0-9]{1,15}(?:\.[0-9]{1,15})?)"  # no longer: a float would lose digits, and at last be infinite
_DURATION = re.compile(_NUMBER + "(ms|s|m|h|d)")
_MEMORY = re.compile(_NUMBER + r"\s*((?:[KMGT]i?)?B?)", re.IGNORECASE | re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


def worker_name(text: str) -> str:
    """The name a person gives a worker; the dot is kept for instances."""
    if not _NAME.fullmatch(text):
        raise ValueError(NAME_EXPECTED)
    return text


def worker_id(text: str) -> WorkerId:
    """The id of one worker, with or without an instance number."""
    if not _WORKER.fullmatch(text):
        raise ValueError(WORKER_EXPECTED)
    return WorkerId(text)


def duration(text: str) -> Duration:
    """`250ms`, `30s`, `1m30s`, `1h` in seconds; a bare 0 is allowed, any other bare number is not."""
    if text == "0":
        return Duration(0.0)
    parts = list(_DURATION.finditer(text))
    if not parts or "".join(part.group() for part in parts) != text:
        raise ValueError("a duration such as 250ms, 30s, 5m, 1h or 1h30m")
    return Duration(sum(float(part[1]) * _SECONDS[part[2]] for part in parts))


def memory(text: str) -> Memory:
    """`64KB`, `512MB`, `1GB` in bytes, powers of 1024."""
    match = _MEMORY.fullmatch(text.strip())
    if not match:
        raise ValueError("a size such as 64KB, 512MB or 1GB")
    return Memory(int(float(match[1]) * _BYTES[match[2].upper().rstrip("IB")]))


def signal_number(text: str) -> SignalNumber:
    """`SIGTERM`, `TERM` or `15`."""
    if re.fullmatch("[0-9]{1,2}", text) and int(text) in signal.valid_signals():
        return SignalNumber(int(text))
    name = text.upper() if text.upper().startswith("SIG") else f"SIG{text.upper()}"
    if name in signal.Signals.__members__:
        return SignalNumber(signal.Signals[name].value)
    raise ValueError("a signal such as SIGTERM, HUP or 15")


def signal_name(number: int) -> str:
    """`SIGKILL` for 9; real-time signals by number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def human_duration(seconds: float) -> str:
    """The two largest units: `1h 5m`, `12s`, `250ms`."""
    if round(seconds * 1000) < 1000:
        return f"{round(seconds * 1000)}ms"
    if seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    left = round(seconds)
    parts = []
    for name, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{name}")
    return " ".join(parts[:2]) or "0s"


def human_memory(count: float) -> str:
    """`512 KB`, `1.5 GB`."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TB"


def instance_of(worker: str) -> str:
    """The group of `web.2` is `web`; a worker without number is its own group."""
    return worker.partition(".")[0]


def number_of(worker: str) -> int:
    """Which instance of its group `web.2` is: 2; a worker without number is 0."""
    return int(worker.partition(".")[2] or 0)
