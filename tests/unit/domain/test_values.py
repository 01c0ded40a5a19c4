"""Small values: one spelling inside, many outside."""

import contextlib
import math
import signal
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from beeyard.domain import values


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0.0), ("250ms", 0.25), ("30s", 30.0), ("1m30s", 90.0), ("1.5h", 5400.0), ("2d", 172800.0)],
)
def test_durations_are_read_as_seconds(text: str, seconds: float) -> None:
    """Units may be combined, and have fractions."""
    assert values.duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "30", "30 s", "-1s", "1s!", "s", "1w", "٣s", "9" * 400 + "s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A bare number is refused too: seconds or milliseconds, nobody knows."""
    with pytest.raises(ValueError, match=r"^a duration such as 250ms, 30s, 5m, 1h or 1h30m$"):
        values.duration(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [("0", 0), ("64KB", 65536), ("512mb", 512 * 1024**2), ("1GiB", 1024**3), ("1.5 G", 1536 * 1024**2), ("7B", 7)],
)
def test_sizes_are_read_as_bytes(text: str, count: int) -> None:
    """By powers of 1024, whichever way the unit is written."""
    assert values.memory(text) == count


@pytest.mark.parametrize("text", ["", "MB", "-1MB", "1XB", "5iB", "5\N{KELVIN SIGN}", "9" * 400])
def test_what_is_no_size_is_refused(text: str) -> None:
    """The sign for Kelvin is a K only to careless readers, and too many digits are infinite."""
    with pytest.raises(ValueError, match=r"^a size such as 64KB, 512MB or 1GB$"):
        values.memory(text)


@pytest.mark.parametrize("text", ["SIGTERM", "term", "15"])
def test_signals_are_read_by_name_and_number(text: str) -> None:
    """With or without SIG, in any case."""
    assert values.signal_number(text) == 15


@pytest.mark.parametrize("text", ["", "0", "99", "SIG", "SIGNOTHING", "²", "9" * 5000])
def test_what_is_no_signal_is_refused(text: str) -> None:
    """Digits that are no number, and numbers that are no signal, included."""
    with pytest.raises(ValueError, match=r"^a signal such as SIGTERM, HUP or 15$"):
        values.signal_number(text)


def test_names_have_no_dot_and_ids_one_before_the_number() -> None:
    """The dot belongs to instances."""
    assert values.worker_name("web-1_x") == "web-1_x"
    assert values.worker_id("web.12") == "web.12"
    assert values.instance_of("web.12") == values.instance_of("web") == "web"


@pytest.mark.parametrize("text", ["", "web.0", "web.01", "web.x", "web.1.2", "a/b", "web\n", "ü", "x" * 65])
def test_what_is_no_id_is_refused(text: str) -> None:
    """An id becomes a file's name, so no path may hide in it."""
    with pytest.raises(ValueError, match="letters, digits"):
        values.worker_id(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0ms"),
        (0.25, "250ms"),
        (0.9999, "1s"),
        (1.5, "1.5s"),
        (12.4, "12s"),
        (59.7, "1m"),
        (300.0, "5m"),
        (3900.0, "1h 5m"),
        (90061.0, "1d 1h"),
    ],
)
def test_durations_are_told_in_two_units(seconds: float, text: str) -> None:
    """Nobody wants the seconds of a day."""
    assert values.human_duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1536, "1.5 KB"), (512 * 1024, "512 KB"), (3 * 1024**4, "3.0 TB")]
)
def test_sizes_are_told_with_one_decimal_where_it_matters(count: int, text: str) -> None:
    """Below ten of a unit."""
    assert values.human_memory(count) == text


@given(st.integers(0, 10**12), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_a_written_duration_is_read_back(count: int, unit: str) -> None:
    """Whatever the unit."""
    assert values.duration(f"{count}{unit}") == count * {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}[unit]


@given(st.integers(1, 99) | st.integers(1, 10**8))
def test_what_we_tell_of_a_duration_is_itself_a_duration(seconds: int) -> None:
    """Read back without the blank, it is off by less than a twenty-fourth: two units are told."""
    back = values.duration(values.human_duration(seconds).replace(" ", ""))
    assert math.isclose(back, seconds, rel_tol=1 / 24)


@given(st.integers(0, 1023), st.sampled_from(["", "K", "M", "G", "T"]), st.sampled_from(["", "B", "iB"]))
def test_a_written_size_is_read_back(count: int, unit: str, end: str) -> None:
    """Exactly, to the last byte."""
    text = f"{count}{unit}{end if unit or end != 'iB' else ''}"
    assert values.memory(text) == values.memory(text.lower()) == count * 1024 ** " KMGT".index(unit or " ")


@given(st.sampled_from(sorted(signal.valid_signals())))
def test_a_signal_is_read_back_from_its_name(number: int) -> None:
    """Those without a name of their own by number."""
    name = values.signal_name(number)
    assert values.signal_number(name.removeprefix("signal ")) == number


@pytest.mark.parametrize(
    "parse", [values.worker_name, values.worker_id, values.duration, values.memory, values.signal_number]
)
@given(st.text() | st.from_regex(r"\A[0-9.]{1,400}\s?[kmgtKdshKİı]?[iİı]?[bs]?\Z"))
@example("\N{KELVIN SIGN}")
@example("1" + "0" * 320)
def test_junk_raises_value_error_and_nothing_else(parse: Callable[[str], object], text: str) -> None:
    """And what is accepted is finite."""
    with contextlib.suppress(ValueError):
        value = parse(text)
        assert not isinstance(value, float) or math.isfinite(value)
