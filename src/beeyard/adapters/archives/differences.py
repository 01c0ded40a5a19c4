"""Bytes as what they differ by from others: where their pieces were before, what was added to each byte there, and
what is new between them. What it writes is for compression to make small: where little changed it is mostly zeros.

Written and read in lots, so that whoever reads needs memory for one of them alone. What it reads may be hostile.
"""

import struct
from array import array
from collections.abc import Iterable, Iterator
from mmap import mmap
from typing import NamedTuple

from beeyard.adapters.archives.codec import Content, Malformed, Pieces

LOT = 1 << 20
"""New bytes of a lot, about."""
MOST = 4 * LOT
"""Bytes of one part of a lot that are read."""
_HEAD = struct.Struct("<III")
"""How many runs there are, bytes that are new, and bytes that were there before."""


class Run(NamedTuple):
    """So many new bytes from `start` on were at `old` before, or most of them."""

    start: int
    size: int
    old: int


def differences(old: bytes, new: bytes, runs: Iterable[Run]) -> bytes:
    """What `Differences` reads."""
    return b"".join(_written(old, new, begin, lot) for begin, lot in _lots(runs, len(old), len(new)))


def _lots(runs: Iterable[Run], old: int, new: int) -> Iterator[tuple[int, list[Run]]]:
    """Where each lot begins, and its runs; the last of each may be empty, and what is new goes before a run."""
    begin, lot = 0, list[Run]()
    for run in _pieces(runs, old, new):
        lot.append(run)
        if run.start + run.size - begin >= LOT:
            yield begin, lot
            begin, lot = run.start + run.size, []
    if lot:
        yield begin, lot


def _pieces(runs: Iterable[Run], old: int, new: int) -> Iterator[Run]:
    """Runs within what is old, none longer than a lot, nor with more that is new before it."""
    at = 0
    for start, size, was in (*runs, Run(new, 0, 0)):
        skip = min(size, max(0, -was))
        start, size, was = start + skip, max(0, min(size - skip, old - was - skip)), max(0, was)
        for new_at in range(at + LOT, start, LOT):
            yield Run(new_at, 0, 0)
        for more in range(0, size, LOT):
            yield Run(start + more, min(LOT, size - more), was + more)
        at = start + size
        if not size:
            yield Run(start, 0, 0)


def _written(old: bytes, new: bytes, at: int, lot: list[Run]) -> bytes:
    columns = array("I"), array("I"), array("i")
    fresh, before, after, known = [], [], [], 0
    for run in lot:
        for column, value in zip(columns, (run.start - at, run.size, run.old - known), strict=True):
            column.append(value)
        fresh.append(new[at : run.start])
        before.append(old[run.old : run.old + run.size])
        at, known = run.start + run.size, run.old + run.size
        after.append(new[run.start : at])
    new_bytes, added = b"".join(fresh), _added(b"".join(after), b"".join(before), -1)
    return b"".join([_HEAD.pack(len(lot), len(new_bytes), len(added)), *map(bytes, columns), new_bytes, added])


class Differences(Pieces):
    """What is made of them and of the old bytes."""

    def __init__(self, content: Content, old: bytes | mmap) -> None:
        self._content = content
        self._old = old
        self._ready = memoryview(b"")

    def some(self, most: int) -> bytes:
        """Up to so many bytes, and none only at the end. Raises Malformed."""
        while not self._ready and (first := self._content.some(_HEAD.size)):
            self._ready = memoryview(self._lot(first + self._content.exactly(_HEAD.size - len(first))))
        taken, self._ready = self._ready[:most], self._ready[most:]
        return bytes(taken)

    def finish(self) -> None:
        """Nothing may follow. Raises Malformed."""
        if self._ready:
            raise Malformed("goes on after its end")
        self._content.finish()

    def _lot(self, head: bytes) -> bytes:
        runs, new, changed = _HEAD.unpack(head)
        if not 0 < runs <= MOST // 12 or max(new, changed) > MOST:
            raise Malformed("has a lot that is larger than any may be")
        fresh, sizes, moves = array("I"), array("I"), array("i")
        for column in (fresh, sizes, moves):
            column.frombytes(self._content.exactly(4 * runs))
        if (sum(fresh), sum(sizes)) != (new, changed):
            raise Malformed("has a lot that does not add up")
        given = self._content.exactly(new)
        before, known = [], 0
        for size, move in zip(sizes, moves, strict=True):
            known += move
            if not 0 <= known <= len(self._old) - size:
                raise Malformed("starts from what is not there")
            before.append(self._old[known : known + size])
            known += size
        after = _added(b"".join(before), self._content.exactly(changed), 1)
        made, at, place = [], 0, 0
        for more, size in zip(fresh, sizes, strict=True):
            made += [given[at : at + more], after[place : place + size]]
            at, place = at + more, place + size
        return b"".join(made)


def _added(one: bytes, other: bytes, sign: int) -> bytes:
    """Byte by byte, and what is more than a byte is lost; as two numbers of many digits, which is fast."""
    size = len(one)
    if one == other and sign < 0:
        return bytes(size)
    if sign > 0 and other.count(0) == size:
        return one
    high = int.from_bytes(b"\x80" * size, "little")
    low = high ^ ((1 << 8 * size) - 1)
    a, b = int.from_bytes(one, "little"), int.from_bytes(other, "little")
    if sign > 0:
        return (((a & low) + (b & low)) ^ ((a ^ b) & high)).to_bytes(size, "little")
    return (((a | high) - (b & low)) ^ ((a ^ b ^ high) & high)).to_bytes(size, "little")
