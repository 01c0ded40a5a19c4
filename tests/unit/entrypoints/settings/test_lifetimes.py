"""The block `lifetime` of a worker."""

import pytest

from beeyard.domain.lifetime import Lifetime
from beeyard.domain.values import Duration
from tests.unit.entrypoints.settings.conftest import Errors, Load, One


@pytest.mark.parametrize(
    ("keys", "lifetime"),
    [
        ("", Lifetime()),
        ("lifetime: {}", Lifetime()),
        ("lifetime: {max: 24h, idle: 30m, after: 10m}", Lifetime(Duration(86400), Duration(1800), Duration(600))),
        ("lifetime: {after: 1s}", Lifetime(after=Duration(1))),
    ],
)
def test_a_lifetime_is_what_is_written(one: One, keys: str, lifetime: Lifetime) -> None:
    """What is not written is without end."""
    assert one(keys).lifetime == lifetime


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        (
            "lifetime: {maximum: 1h}",
            "lifetime.maximum: found 'maximum', expected a known key",
        ),
        ("lifetime: 1h", "lifetime: found '1h', expected a mapping"),
        ("lifetime: {max: 0s}", "lifetime.max: found '0s', expected a duration above 0"),
        ("lifetime: {idle: -1s}", "lifetime.idle: found '-1s', expected a duration such as 250ms"),
        (
            "probes: {startup: {process: true, period: 1s, failures: 60}}\nlifetime: {max: 1m}",
            "lifetime.max: found '1m', expected more than 1m, which its start may take (less 10 % jitter)",
        ),
    ],
)
def test_what_can_not_be_a_lifetime_is_named_with_its_line(wrong: Errors, keys: str, error: str) -> None:
    """The greatest age has to leave an attempt the time to start."""
    (found,) = wrong(keys)
    assert found.partition("workers[0].")[2].startswith(error)


def test_an_unmanaged_worker_has_none(load: Load, errors: Errors) -> None:
    """Refused where it says one itself, dropped where the defaults do."""
    text = "workers:\n- id: web\n  kind: unmanaged\n  discovery: {method: port, port: 80}\n"
    (spec,) = load(f"defaults: {{lifetime: {{max: 1h}}}}\n{text}").workers
    assert spec.lifetime == Lifetime()
    assert errors(f"{text}  lifetime: {{max: 1h}}\n") == [
        "beeyard.yaml:5: workers[0].lifetime: found `lifetime`, expected no such key for an unmanaged worker (it is "
        "not Beeyard that starts it, so its age means nothing here)"
    ]
