"""What the runtime says of an end, in words for people."""

import re

_FRAME = re.compile(r"^ *0: .*!(.+)$", re.MULTILINE)
_CAUSE = "Caused by:"
INTERRUPTED = "interrupt"
OUT_OF_FUEL = "all fuel consumed by WebAssembly"
TOO_LARGE = "exceeds memory limits"
UNKNOWN = ("unknown import", "component imports")


def reason(error: Exception) -> str:
    """The last cause that it names, without the way to it."""
    text = str(error)
    _, found, cause = text.rpartition(_CAUSE)
    lines = [line.strip() for line in (cause if found else text).splitlines() if line.strip()]
    return (lines[0] if lines else "no reason given").removeprefix("wasm trap: ").removeprefix("0: ")


def where(error: Exception) -> str:
    """The function that it happened in, if that has a name."""
    match = _FRAME.search(str(error))
    return "" if match is None or match[1].startswith("<") else f", in {match[1]}"
