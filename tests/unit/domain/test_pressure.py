"""How patient Beeyard is on a host where programs have to wait."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from beeyard.domain.pressure import CALM, MOST, Pressure, Strain, strain

shares = st.none() | st.floats(0.0, 1.0)
pressures = st.builds(Pressure, shares, shares, shares, shares, shares)
names = st.sampled_from(sorted(asdict(Pressure())))


@pytest.mark.parametrize(
    "pressure",
    [Pressure(), Pressure(0.0, 0.0, 0.0, 0.0, 0.0), Pressure(cpu=0.6), Pressure(memory=0.2), Pressure(io=0.7)],
    ids=["no PSI", "idle", "busy", "some reclaim", "a backup"],
)
def test_an_ordinary_host_changes_nothing(pressure: Pressure) -> None:
    """Neither does one whose kernel does not tell."""
    assert strain(pressure) == CALM


@pytest.mark.parametrize(
    ("pressure", "expected"),
    [
        (Pressure(cpu=0.8), Strain(2.0, "host under pressure: cpu 80 %")),
        (Pressure(memory=0.4), Strain(2.5, "host under pressure: memory 40 %")),
        (Pressure(memory=0.4, memory_full=0.4), Strain(4.0, "host under pressure: memory 40 %")),
        (Pressure(cpu=1.0, io=1.0), Strain(3.0, "host under pressure: cpu 100 %")),
        (Pressure(io=1.0, io_full=0.4), Strain(2.0, "host under pressure: io 100 %")),
        (Pressure(io=0.9, io_full=0.7), Strain(2.0, "host under pressure: io 70 %")),
    ],
)
def test_the_resource_that_is_shortest_decides_and_is_named(pressure: Pressure, expected: Strain) -> None:
    """Memory weighs most; `io` of all tasks more than of some."""
    found = strain(pressure)
    assert found.factor == pytest.approx(expected.factor)
    assert found.reason == expected.reason


@given(pressures)
def test_the_factor_keeps_to_its_bounds_and_has_a_reason(pressure: Pressure) -> None:
    """From 1, where there is nothing to say, to MOST."""
    found = strain(pressure)
    assert 1.0 <= found.factor <= MOST
    assert bool(found.reason) == (found.factor > 1.0)


@given(pressures, names, st.floats(0.0, 1.0))
def test_more_pressure_never_makes_less_patient(pressure: Pressure, name: str, share: float) -> None:
    """Of any resource, whatever the others do."""
    less = getattr(pressure, name) or 0.0
    more = replace(pressure, **{name: max(less, share)})
    assert strain(more).factor >= strain(pressure).factor
