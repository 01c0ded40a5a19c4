"""Lines for people under labels: how they are wrapped, cut and coloured, and how moments are told. Knows of terminals
and of time zones; of workers nothing."""

import textwrap
import time
from collections.abc import Sequence
from typing import NamedTuple

from beeyard.domain.values import human_duration
from beeyard.entrypoints.cli.screen import BOLD, DIM, painted
from beeyard.entrypoints.cli.strips import BLOCKS, Alphabet

LABEL = 12
"""Columns before a row's text."""


class Row(NamedTuple):
    """One thing to tell: what it is, how it is, and how that looks where there are colours."""

    label: str
    text: str
    style: str = ""


class Sheet:
    """`now` is wall-clock seconds; times are told in the local zone. `width` None: there is no limit."""

    def __init__(
        self, now: float, *, colour: bool = False, width: int | None = None, letters: Alphabet = BLOCKS
    ) -> None:
        self.now = now
        self.width = width
        self.letters = letters
        self._colour = colour

    def rows(self, rows: Sequence[Row]) -> list[str]:
        """Rows under their labels, wrapped where the terminal ends."""
        found = []
        for label, text, style in rows:
            parts = [text] if self.width is None else textwrap.wrap(text, max(20, self.width - LABEL)) or [""]
            for number, part in enumerate(parts):
                found.append(self.labelled("" if number else label, self.paint(part, style)))
        return found

    def labelled(self, label: str, text: str) -> str:
        """A line of text under a label; under none it goes on where the one before began."""
        return f"  {self.paint(f'{label:<9}', DIM)} {text}" if label else f"{' ' * LABEL}{text}"

    def cut(self, text: str, used: int) -> str:
        """No longer than what is left of the line; what was cut is in the log, or in --json."""
        if self.width is None or used + len(text) <= self.width:
            return text
        return text[: max(0, self.width - used - len(self.letters.dots))] + self.letters.dots

    def title(self, text: str) -> str:
        """What stands over some lines."""
        return self.paint(text, BOLD)

    def paint(self, text: str, style: str) -> str:
        """The text in this style, where there are colours."""
        return painted(text, style) if self._colour else text

    def until(self, at: float) -> str:
        """`in 3s`."""
        return f"in {human_duration(at - self.now)}" if at > self.now else "now due"

    def ago(self, at: float) -> str:
        """`3s ago`."""
        return f"{human_duration(self.now - at)} ago" if self.now >= at else "by a clock ahead of this one"

    def when(self, at: float) -> str:
        """A moment, and how long ago that is."""
        return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(at))} ({self.ago(at)})"

    def clock(self, at: float) -> str:
        """The time of day; with the date once that is another day."""
        then, now = time.localtime(at), time.localtime(self.now)
        return time.strftime("%H:%M:%S" if then[:3] == now[:3] else "%Y-%m-%d %H:%M:%S", then)
