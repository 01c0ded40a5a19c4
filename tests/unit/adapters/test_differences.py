"""New bytes as differences from old ones: whatever was done to them, the same bytes come of it, or it is refused."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beeyard.adapters.archives.aligning import against, aligned
from beeyard.adapters.archives.codec import Content, Malformed
from beeyard.adapters.archives.differences import LOT, Differences, differences

OLD = random.Random(3).randbytes(20_000)


class Given(Content):
    """What is read, as it is."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def some(self, most: int) -> bytes:
        taken, self._data = self._data[:most], self._data[most:]
        return taken

    def finish(self) -> None:
        """Reads no further."""
        if self._data:
            raise Malformed("goes on")


def made(old: bytes, written: bytes) -> bytes:
    """All that comes of it."""
    pieces, read = Differences(Given(written), old), b""
    while piece := pieces.some(1000):
        read += piece
    pieces.finish()
    return read


@st.composite
def changed(draw: st.DrawFn) -> bytes:
    """The old bytes, cut up, put together in another order, with something new, and with bytes that are others."""
    new = bytearray()
    for _ in range(draw(st.integers(0, 6))):
        begin, size = draw(st.integers(0, len(OLD))), draw(st.integers(0, 3000))
        new += OLD[begin : begin + size] + draw(st.binary(max_size=200))
    for _ in range(draw(st.integers(0, 20)) if new else 0):
        new[draw(st.integers(0, len(new) - 1))] = draw(st.integers(0, 255))
    return bytes(new)


@given(changed())
def test_the_new_bytes_come_of_the_old(new: bytes) -> None:
    """All of them, in whatever order and however changed."""
    assert made(OLD, differences(OLD, new, aligned(OLD, new))) == new


@given(changed(), st.integers(0, 2**30), st.integers(1, 255))
def test_differences_that_are_wrong_do_no_harm(new: bytes, place: int, flip: int) -> None:
    """They make other bytes, or are refused in words; nothing else is raised."""
    written = bytearray(differences(OLD, new, aligned(OLD, new)) or b"\0")
    written[place % len(written)] ^= flip
    try:
        made(OLD, bytes(written))
    except Malformed:
        return


@pytest.mark.parametrize("old", [b"", b"x", OLD])
@pytest.mark.parametrize("new", [b"", b"y", OLD[1:], bytes(3 * LOT), random.Random(4).randbytes(2 * LOT + 5)])
def test_what_has_little_or_nothing_in_common_comes_too(old: bytes, new: bytes) -> None:
    """In lots, of which none is larger than who reads allows."""
    assert made(old, differences(old, new, aligned(old, new))) == new


def test_a_program_whose_addresses_moved_becomes_small() -> None:
    """Every twentieth byte is another one by the same amount: what was added compresses to next to nothing."""
    old = bytearray(random.Random(5).randbytes(200_000))
    new = bytearray(b"put in before" + old)
    for place in range(13, len(new), 20):
        new[place] = (new[place] + 16) % 256
    assert len(against(bytes(old), bytes(new))) < 0.02 * len(new)
