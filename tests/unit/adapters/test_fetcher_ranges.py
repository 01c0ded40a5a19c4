"""Which bytes are there: compared with sets of bytes, which are slow and plain."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from beeyard.adapters.fetcher.ranges import Span, joined, length, missing, pieces

SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=12)


def bytes_of(spans: list[Span]) -> set[int]:
    """Each byte in any of them."""
    return {at for begin, end in spans for at in range(begin, end)}


@given(SPANS)
def test_joined_spans_are_the_same_bytes_in_order_and_apart(spans: list[Span]) -> None:
    """None is empty, and between two there is at least one byte that is in none."""
    result = joined(spans)
    assert bytes_of(result) == bytes_of(spans)
    assert length(result) == len(bytes_of(spans))
    assert all(begin < end for begin, end in result)
    assert all(before[1] < after[0] for before, after in pairwise(result))


@given(SPANS, st.integers(0, 40))
def test_missing_is_what_is_not_done(spans: list[Span], size: int) -> None:
    """Every byte of the file is either done or missing, and nothing beyond its end is."""
    result = missing(spans, size)
    assert bytes_of(result) == set(range(size)) - bytes_of(spans)
    assert joined(result) == result


@given(SPANS, st.integers(1, 9))
def test_pieces_are_the_same_bytes_in_small_spans(spans: list[Span], largest: int) -> None:
    """Each byte in one of them, none longer than asked for."""
    whole = joined(spans)
    result = pieces(whole, largest)
    assert joined(result) == whole
    assert length(result) == length(whole)
    assert all(0 < end - begin <= largest for begin, end in result)
