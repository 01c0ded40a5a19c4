"""Samples as characters: what is shown, what is a gap, and in which alphabet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beeyard.domain.curve import Sample
from beeyard.entrypoints.cli.strips import ASCII, BLOCKS, alphabet, cpu, frame, memory, strip

MB = 1024**2


def row(*sizes: int | None, step: float = 5.0) -> list[Sample]:
    """A sample each few seconds; None: none was taken."""
    return [Sample(step * n, float(size), size * MB) for n, size in enumerate(sizes) if size is not None]


def test_a_gap_is_blank_and_no_zero() -> None:
    """Nobody knows what a worker used that nobody looked at; and what used nothing is not nothing."""
    samples = row(8, 8, 0, 0, *([None] * 36), 8, 8)
    found = frame(samples, 205.0, 42)
    assert found.columns == 8
    assert strip(samples, [], found, memory, BLOCKS) == "█      █"
    samples = row(8, 8, 0, 0)
    assert strip(samples, [], frame(samples, 15.0, 8), memory, BLOCKS) == "███▁▁▁▁▁"


def test_between_two_attempts_nothing_is_filled_in() -> None:
    """The mark stands where the first one ended; without it two samples so near would be one stretch."""
    samples = [Sample(0.0, 1.0, MB), Sample(10.0, 1.0, MB), Sample(70.0, 1.0, MB), Sample(80.0, 1.0, MB)]
    assert strip(samples, [20.0], frame(samples, 80.0, 8), memory, BLOCKS) == "██×    █"
    assert strip(samples, [], frame(samples, 80.0, 8), memory, BLOCKS) == "████████"


def test_the_noise_of_an_idle_worker_is_no_mountain() -> None:
    """A full column of CPU is a tenth of a core at least."""
    samples = [Sample(5.0 * n, used, MB) for n, used in enumerate((0.001, 0.004, 0.05, 0.0, 0.0, 0.0, 0.0, 0.0))]
    assert strip(samples, [], frame(samples, 35.0, 8), cpu, BLOCKS) == "▁▁▅▁▁▁▁▁"


def test_cpu_that_is_not_known_is_blank() -> None:
    """The first reading of an attempt tells memory alone."""
    samples = [Sample(0.0, None, MB), Sample(5.0, 1.0, MB)]
    assert strip(samples, [], frame(samples, 5.0, 2), cpu, BLOCKS) == " █"
    assert strip(samples, [], frame(samples, 5.0, 2), memory, BLOCKS) == "██"


@given(
    st.lists(st.tuples(st.floats(0.0, 500.0), st.integers(0, 2**40)), min_size=1, max_size=150),
    st.lists(st.floats(-100.0, 10_000.0), max_size=5),
    st.floats(-50.0, 5000.0),
    st.integers(1, 60),
)
def test_a_strip_is_as_wide_as_its_frame_and_shows_its_peak(
    steps: list[tuple[float, int]], ends: list[float], later: float, room: int
) -> None:
    """Whatever the samples; the largest one is a full column, if no end hides it."""
    at, samples = 0.0, []
    for wait, size in steps:
        at += wait
        samples.append(Sample(at, 0.5, size + 1))
    found = frame(samples, at + later, room)
    for text in (strip(samples, ends, found, memory, ASCII), strip(samples, ends, found, cpu, ASCII)):
        assert len(text) == found.columns <= max(8, len(samples)) <= max(room, 8, len(samples))
        assert set(text) <= {*ASCII.levels, ASCII.end, " "}
    assert strip(samples, [], found, memory, ASCII).count("#") >= 1


@pytest.mark.parametrize(
    ("environ", "letters"),
    [
        ({"LANG": "en_GB.UTF-8"}, BLOCKS),
        ({"LANG": "de_DE.utf8"}, BLOCKS),
        ({"LANG": "C"}, ASCII),
        ({}, ASCII),
        ({"LC_CTYPE": "C.UTF-8", "LANG": "C"}, ASCII),  # as Python itself sets it
        ({"LC_CTYPE": "C.UTF-8", "LANG": "de_DE"}, BLOCKS),
        ({"LANG": "C.UTF-8"}, BLOCKS),
        ({"LC_ALL": "C", "LANG": "en_GB.UTF-8"}, ASCII),
        ({"LC_ALL": "en_GB.UTF-8", "LANG": "C"}, BLOCKS),
        ({"LANG": "en_GB.UTF-8", "TERM": "linux"}, ASCII),
        ({"LANG": "en_GB.ISO-8859-1"}, ASCII),
    ],
)
def test_the_alphabet_is_what_the_terminal_knows(environ: dict[str, str], letters: object) -> None:
    """By the locale; the kernel's own console has too few letters."""
    assert alphabet(environ) is letters
