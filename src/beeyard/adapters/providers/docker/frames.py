"""The engine's stream of both outputs, taken apart: frames of eight bytes and a payload. Pure.

See "Stream format" in the Engine's API at ContainerAttach: the first byte says which stream, the last four how long.
"""

import calendar
import time

STREAMS = {1: "stdout", 2: "stderr"}
HEADER = 8
PIECE = 16 * 1024
"""Bytes of a line that the engine takes at once; each piece but the last has so many."""
STAMP = 30
"""Letters of a time as the engine writes it before each line: `2026-01-02T03:04:05.000000006Z`, in UTC."""


class Frames:
    """Bytes in, (stream, payload) out; holds what is not whole yet."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        """What is whole now."""
        held = self._held
        held += data
        found, start = [], 0
        while len(held) - start >= HEADER:
            end = start + HEADER + int.from_bytes(held[start + 4 : start + HEADER], "big")
            if end > len(held):
                break
            found.append((STREAMS.get(held[start], "stdout"), bytes(held[start + HEADER : end])))
            start = end
        del held[:start]
        return found


def stamped(payload: bytes) -> tuple[str, bytes]:
    """The time and the line itself, or PIECE bytes of one. Times of one stream can be compared as they are written."""
    line = payload[STAMP + 1 :]
    if len(line) < PIECE and not line.endswith(b"\n"):
        line += b"\n"  # The end of a long line, from which Docker before 22 took it away.
    return payload[:STAMP].decode("ascii", "replace"), line


def since(stamp: str) -> str:
    """That moment as the engine wants to be asked for what came then or later; nothing for all there is."""
    if not stamp:
        return "0"
    seconds = calendar.timegm(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S"))
    return f"{seconds}.{stamp[20:29]}"
