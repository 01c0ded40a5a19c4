"""Variables in values: replaced after parsing, so they bring text and never structure."""

import pytest

from tests.unit.entrypoints.settings.conftest import Errors, One


def test_a_variable_takes_the_type_its_field_expects(one: One) -> None:
    """A port, a truth value, a text with digits, in any quotes."""
    spec = one(
        "endpoints: {http: {port: \"${PORT}\"}}\nenabled: ${ON}\nlogs: {max_files: '${N:-7}'}", PORT="80", ON="false"
    )
    assert (spec.endpoints["http"].port, spec.enabled, spec.logs.max_files) == (80, False, 7)


def test_values_can_not_inject_structure(one: One) -> None:
    """What looks like YAML stays text."""
    assert one('probes: {liveness: {exec: ["${X}"]}}', X="a]\nb: c # d").probes["liveness"].command == ("a]\nb: c # d",)


def test_two_dollars_stand_for_one(one: One) -> None:
    """Shell commands keep their own variables; a lone dollar is one."""
    spec = one('probes: {liveness: {exec: ["$${A} $B $$ ${C:-}${D:-x:y}"]}}', C="")
    assert spec.probes["liveness"].command == ("${A} $B $$ x:y",)


def test_an_empty_variable_takes_its_default(one: One) -> None:
    """As in a shell."""
    assert one("profile_type: ${P:-web}", P="").restart.profile == 1.0


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("${A}", "found ${A}, expected a variable that is set (set A, or write ${A:-default})"),
        ("${A%%b}", "found ${A%%b}, expected ${NAME} or ${NAME:-default} (write $${ for a literal ${)"),
        ("${}", "found ${}, expected ${NAME} or ${NAME:-default} (write $${ for a literal ${)"),
        ("${A", "found ${A, expected ${NAME} or ${NAME:-default} (write $${ for a literal ${)"),
    ],
)
def test_what_can_not_be_replaced(wrong: Errors, text: str, error: str) -> None:
    """Reported where it stands."""
    assert wrong(f'probes:\n  liveness: {{exec: ["x {text}"]}}') == [
        f"beeyard.yaml:5: workers[0].probes.liveness.exec[0]: {error}"
    ]


def test_bytes_that_are_no_text_are_refused(wrong: Errors) -> None:
    """The environment may hold anything; a store may not."""
    assert wrong("probes: {liveness: {exec: ['${X}']}}", X="\udcff") == [
        "beeyard.yaml:4: workers[0].probes.liveness.exec[0]: found text with a NUL byte or broken Unicode, expected "
        "text"
    ]
