"""Samples as one line of characters, time from left to right. Knows the terminal's alphabet, and nothing of workers."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from beeyard.domain.curve import Sample
from beeyard.domain.values import human_duration, human_memory

FLAT = 0.1
"""Cores at which a strip of CPU is full at least: the noise of an idle worker is no mountain."""
TOGETHER = 90.0
"""Seconds between two samples up to which what lies between them is taken to be known."""


class Alphabet(NamedTuple):
    """`levels` from nothing to the most; a gap is blank, `end` says that an attempt ended there."""

    levels: str
    end: str
    arrow: str
    dots: str


BLOCKS = Alphabet("▁▂▃▄▅▆▇█", "×", "→", "…")
ASCII = Alphabet("_.:-=+*#", "x", "->", "...")


def alphabet(environ: Mapping[str, str] = os.environ) -> Alphabet:
    """What this terminal can show, by its locale as POSIX finds it; the kernel's own console has no blocks."""
    given = [environ.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG")]
    if given[1] == "C.UTF-8" and given[2] in {"", "C", "POSIX"}:
        given[1] = ""  # Python's own, put there at its start (PEP 538).
    locale = next(filter(None, given), "C").lower().replace("-", "")
    return BLOCKS if "utf8" in locale and environ.get("TERM") != "linux" else ASCII


class Frame(NamedTuple):
    """The stretch of time that a strip shows, in wall-clock seconds, and the columns it has."""

    begin: float
    end: float
    columns: int

    def column(self, at: float) -> int:
        """Where a moment is."""
        share = (at - self.begin) / (self.end - self.begin) if self.end > self.begin else 1.0
        return min(max(0, int(share * self.columns)), self.columns - 1)


def frame(samples: Sequence[Sample], end: float, most: int) -> Frame:
    """From the first sample on; no more columns than there is to show."""
    return Frame(samples[0].at, max(end, samples[-1].at), max(1, min(most, max(len(samples), 8))))


def memory(sample: Sample) -> float | None:
    """Bytes."""
    return sample.memory


def cpu(sample: Sample) -> float | None:
    """Cores."""
    return sample.cpu


Value = Callable[[Sample], float | None]


def spans(samples: Sequence[Sample], *, now: bool = False) -> tuple[str, str]:
    """The least and the most of memory and of CPU, in words; with `now` also the last of each."""
    used = [sample.memory for sample in samples if sample.memory is not None]
    cores = [sample.cpu for sample in samples if sample.cpu is not None]
    memory_ = _span(human_memory(min(used)), human_memory(max(used))) if used else "part of the master's"
    cpu_ = f"{_span(f'{min(cores):.2f}', f'{max(cores):.2f}')} cores" if cores else "not known yet"
    if now:
        memory_ += f", now {human_memory(samples[-1].memory)}" if samples[-1].memory is not None else ""
        cpu_ += f", now {samples[-1].cpu:.2f}" if samples[-1].cpu is not None else ""
    return memory_, cpu_


def _span(least: str, most: str) -> str:
    """`5 to 12 MB`; one that did not change is no span."""
    if least == most:
        return most
    number, _, unit = least.partition(" ")
    return f"{number if unit and unit == most.partition(' ')[2] else least} to {most}"


def axis(frame: Frame) -> str:
    """What stands below a strip that ends now."""
    ago = f"{human_duration(frame.end - frame.begin)} ago"
    return f"{ago}{'now':>{frame.columns - len(ago)}}" if frame.columns >= len(ago) + 4 else ago


def strip(
    samples: Sequence[Sample],
    ends: Sequence[float],
    frame: Frame,
    value: Value,
    letters: Alphabet,
) -> str:
    """One character a column: the most in it, measured against the most of all; nothing where nothing is known."""
    found: list[float | None] = [None] * frame.columns
    for column, seen in _covered(samples, ends, frame, value):
        found[column] = max(seen, found[column] or 0.0)
    top = max([*(seen for seen in found if seen is not None), FLAT if value is cpu else 1.0])
    chars = [" " if seen is None else letters.levels[min(int(seen / top * 8), 7)] for seen in found]
    for at in ends:
        if frame.begin <= at <= frame.end:
            chars[frame.column(at)] = letters.end
    return "".join(chars)


def _covered(
    samples: Sequence[Sample], ends: Sequence[float], frame: Frame, value: Value
) -> Iterator[tuple[int, float]]:
    """Columns and what was used in them. A sample stands for the time since the one before, if nothing was between."""
    before: Sample | None = None
    for sample in samples:
        if (seen := value(sample)) is not None:
            last = frame.column(sample.at)
            near = before is not None and sample.at - before.at <= TOGETHER
            alone = before is None or not near or any(before.at < end <= sample.at for end in ends)
            first = last if before is None or alone else min(frame.column(before.at) + 1, last)
            for column in range(first, last + 1):
                yield column, seen
        before = sample
