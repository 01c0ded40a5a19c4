"""What a terminal can show: colours, width, plain columns. Knows nothing of workers.

Data goes to standard output, talk to standard error. Without a terminal there are no colours and no limits of width.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from typing import NamedTuple, TextIO

GREEN, YELLOW, RED, DIM, BOLD = "32", "33", "31", "2", "1"


class Cell(NamedTuple):
    """Text, and how it looks where there are colours."""

    text: str
    style: str = ""


class Column(NamedTuple):
    """`drop`: columns are left out in this order where the terminal is too narrow; 0: never."""

    title: str
    drop: int = 0


def say(text: str, *, style: str = "") -> None:
    """One line of talk."""
    print(painted(text, style) if colours(sys.stderr) else text, file=sys.stderr, flush=True)  # noqa: T201


def show(text: str) -> None:
    """One line or more of data. Raises Unavailable where they can't be written, as on a full disk."""
    try:
        print(text, flush=True)  # noqa: T201
    except BrokenPipeError:
        raise
    except OSError as error:
        from beeyard.domain.errors import Unavailable

        why, hint = "the answer can't be written: {reason}", "what was asked was done: only its answer is lost"
        raise Unavailable("output_unwritable", why, reason=error.strerror or str(error), hint=hint) from None


def colours(stream: TextIO) -> bool:
    """Whether this is a terminal whose user wants colours (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width(stream: TextIO) -> int | None:
    """Columns of the terminal; None where there is none, and thus no limit."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def height(stream: TextIO) -> int | None:
    """Lines of the terminal; None where there is none, and thus no limit."""
    return shutil.get_terminal_size().lines if stream.isatty() else None


def painted(text: str, style: str) -> str:
    """The text in this style."""
    return f"\x1b[{style}m{text}\x1b[0m" if style and text else text


def printable(text: str) -> str:
    """Control characters made visible: what a worker wrote must not move our cursor."""
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in text)


def table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], limit: int | None, *, colour: bool) -> str:
    """Aligned columns under their titles, the last one cut where the line would pass `limit`."""
    kept = list(range(len(columns)))
    widths = [max(len(columns[i].title), *(len(row[i].text) for row in rows)) if rows else 0 for i in kept]
    if limit is not None:
        least = [*widths[:-1], min(widths[-1], _LAST)]
        for i in sorted((i for i in kept if columns[i].drop), key=lambda i: columns[i].drop):
            if sum(least[k] + 2 for k in kept) - 2 <= limit:
                break
            kept.remove(i)
    lines = [_line([Cell(columns[i].title, DIM) for i in kept], [widths[i] for i in kept], limit, colour)]
    lines += [_line([row[i] for i in kept], [widths[i] for i in kept], limit, colour) for row in rows]
    return "\n".join(lines)


_LAST = 16
"""The last column is cut down to this before others are left out."""


def _line(cells: Sequence[Cell], widths: Sequence[int], limit: int | None, colour: bool) -> str:
    left = limit
    parts = []
    for number, (cell, wide) in enumerate(zip(cells, widths, strict=True)):
        text = cell.text if number == len(cells) - 1 else cell.text.ljust(wide)
        if left is not None and len(text) > left:
            text = text[: max(0, left - 1)] + "…" if left > 0 else ""
        parts.append(painted(text, cell.style) if colour and cell.text else text)
        if left is not None:
            left = max(0, left - len(text) - 2)
    line = "  ".join(parts)
    return line if colour and line.endswith("\x1b[0m") else line.rstrip()
