"""The files of a journal, read: which there are, and their lines forwards and backwards. Writes nothing.

Segments are `000001.jsonl`, `000002.jsonl`, … in one folder; whatever has another name there is somebody else's. The
newest may be growing while it is read: whoever reads it says up to where.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from beeyard.adapters.journal.chain import LINE_LIMIT, Unreadable, computed, parse, stated
from beeyard.ports.journal import START, Head

BLOCK = 64 * 1024
"""Bytes that are read backwards at a time, at first: the newest 50 entries are in it."""

_NAME = re.compile(r"([0-9]{6,})\.jsonl")
_FORWARD = 1024**2  # bytes
_ROOM = LINE_LIMIT + 1024  # for a whole line: a record, and what links it


class End(NamedTuple):
    """Where the newest whole entry ends: which segment, after how many of its bytes; and the entry's head."""

    number: int
    size: int
    head: Head


class Found(NamedTuple):
    """The end that files say they have. Number 0: there are none. `torn` bytes of an unfinished line stand behind it.

    `damaged`: the newest line is no entry, or not the one it was; its head is what could be made out.
    """

    end: End
    torn: int
    damaged: bool


def name(number: int) -> str:
    """What the segment is called."""
    return f"{number:06d}.jsonl"


def numbers(folder: Path) -> list[int]:
    """Of the segments that are there, in order."""
    named = [int(match[1]) for entry in os.listdir(folder) if (match := _NAME.fullmatch(entry))]
    return sorted(number for number in set(named) if (folder / name(number)).is_file())


def blocks(path: Path, end: int | None = None) -> Iterator[bytes]:
    """The bytes up to `end` in pieces of whole lines, but for a last line that has no end and one longer than any."""
    left = end if end is not None else -1
    carry = b""
    with path.open("rb", buffering=0) as file:
        while left and (read := file.read(min(left, _FORWARD) if left > 0 else _FORWARD)):
            left -= len(read) if left > 0 else 0
            carry += read
            cut = carry.rfind(b"\n") + 1
            if cut or len(carry) > _ROOM:
                yield carry[:cut] or carry
                carry = carry[cut:] if cut else b""
    if carry:
        yield carry


def backwards(path: Path, end: int) -> Iterator[bytes]:
    """The lines before `end`, the last one first, without their newlines; cut where they are longer than any."""
    with path.open("rb") as file:
        tail, size, newest = b"", BLOCK, True
        while end > 0:
            start = max(0, end - size)
            file.seek(start)
            lines = (file.read(end - start) + tail).split(b"\n")
            for line in reversed(lines[1:]):
                if line or not newest:  # behind the last newline there is no line
                    yield line
                newest = False
            end, tail = start, lines[0][-_ROOM:]
            size = BLOCK if len(lines) > 1 else min(2 * size, _ROOM)
        if tail or not newest:
            yield tail


def find_end(folder: Path) -> Found:
    """Where a writer is to go on. Looks at no more than the newest entry, unless that is damaged."""
    present = numbers(folder)
    if not present:
        return Found(End(0, 0, START), 0, False)
    newest = folder / name(present[-1])
    length = newest.stat().st_size
    whole = _whole(newest, length)
    bad, hash, damaged = 0, "", False
    for number in reversed(present):
        path = folder / name(number)
        for line in backwards(path, whole if path == newest else path.stat().st_size):
            try:
                entry = parse(line)
            except Unreadable:
                entry = None
            hash = hash or stated(line) or computed(line)
            if entry and entry.hash == computed(line):
                return Found(End(present[-1], whole, Head(entry.seq + bad, hash)), length - whole, damaged)
            bad += 1
            damaged = damaged or path == newest
    return Found(End(present[-1], whole, Head(bad, hash or START.hash)), length - whole, damaged)


def _whole(path: Path, end: int) -> int:
    """How many of the bytes are whole lines."""
    with path.open("rb", buffering=0) as file:
        while end > 0:
            start = max(0, end - BLOCK)
            file.seek(start)
            if cut := file.read(end - start).rfind(b"\n") + 1:
                return start + cut
            end = start
    return 0
