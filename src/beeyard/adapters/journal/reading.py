"""What can be asked of a journal's files: the newest entries, all of them, whether they are whole. Blocks on the disk.

Nobody sees more than what was whole when the asking began: a line that is being written is not there yet.
"""

from collections.abc import Iterator
from pathlib import Path

from beeyard.adapters.journal.chain import Check, Unreadable, parse
from beeyard.adapters.journal.segments import End, backwards, blocks, name, numbers
from beeyard.ports.journal import Entry


def newest(folder: Path, end: End, before: int | None, limit: int) -> list[Entry]:
    """Entries below `before`, the newest first. A line that is no entry is left out; checking tells of it."""
    found: list[Entry] = []
    if limit <= 0:
        return found
    for number in reversed(_until(folder, end)):
        path = folder / name(number)
        if before is not None and _starts_at(path, before):
            continue
        for line in backwards(path, end.size if number == end.number else path.stat().st_size):
            if before is not None and (_number(line) or 0) >= before:
                continue  # not worth a look at the whole of it
            try:
                entry = parse(line)
            except Unreadable:
                continue
            if before is None or entry.seq < before:
                found.append(entry)
                if len(found) == limit:
                    return found
    return found


def everything(folder: Path, end: End) -> Iterator[bytes]:
    """All lines, the oldest first, in pieces as `blocks` makes them."""
    for number in _until(folder, end):
        yield from blocks(folder / name(number), end.size if number == end.number else None)


def examine(folder: Path, end: End, check: Check) -> Iterator[int]:
    """Let `check` look at each line, and at what the files themselves tell. Pauses after each piece of some bytes."""
    due = 1
    for number in _until(folder, end):
        if number > due:
            missing = name(due) if number == due + 1 else f"{name(due)} to {name(number - 1)}"
            check.problem(f"{missing}: missing")
        due = number + 1
        try:
            yield from _examine(folder / name(number), end.size if number == end.number else None, check)
        except OSError as error:
            check.problem(f"{name(number)}: can't be read: {error.strerror}")


def _examine(path: Path, end: int | None, check: Check) -> Iterator[int]:
    at = 1
    for block in blocks(path, end):
        *lines, rest = block.split(b"\n")
        for number, line in enumerate(lines, at):
            check.line(f"{path.name}:{number}", line)
        at += len(lines)
        if rest:
            check.line(f"{path.name}:{at}", rest, whole=False)
        yield len(block)


def _until(folder: Path, end: End) -> list[int]:
    return [number for number in numbers(folder) if number <= end.number]


def _starts_at(path: Path, seq: int) -> bool:
    """Whether the first entry has this number or a higher one."""
    with path.open("rb") as file:
        return (_number(file.read(64)) or 0) >= seq


def _number(line: bytes) -> int | None:
    """The number at the beginning of a line, if it begins as ours do."""
    if not line.startswith(b'{"seq":'):
        return None
    digits = line[7 : line.find(b",", 0, 32)]
    return int(digits) if digits.isdigit() else None
