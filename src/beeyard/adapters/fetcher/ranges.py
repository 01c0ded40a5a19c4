"""Which bytes of a file are there and which are not: arithmetic of spans, sorted and apart. Knows no file.

A span is two offsets, begin and end; the byte at its end is not in it.
"""

from collections.abc import Iterable

Span = tuple[int, int]


def joined(spans: Iterable[Span]) -> list[Span]:
    """The same bytes in as few spans as can be, in order; those that overlap or touch become one."""
    result: list[Span] = []
    for begin, end in sorted(span for span in spans if span[0] < span[1]):
        if result and begin <= result[-1][1]:
            result[-1] = result[-1][0], max(end, result[-1][1])
        else:
            result.append((begin, end))
    return result


def missing(done: Iterable[Span], size: int) -> list[Span]:
    """What of the first `size` bytes is in none of these spans."""
    result: list[Span] = []
    at = 0
    for begin, end in joined(done):
        if at < min(begin, size):
            result.append((at, min(begin, size)))
        at = max(at, end)
    if at < size:
        result.append((at, size))
    return result


def pieces(spans: Iterable[Span], largest: int) -> list[Span]:
    """The same bytes, no span longer than `largest`."""
    return [(at, min(at + largest, end)) for begin, end in spans for at in range(begin, end, largest)]


def length(spans: Iterable[Span]) -> int:
    """How many bytes they are, of spans that are apart."""
    return sum(end - begin for begin, end in spans)
