"""Restart policies in both spellings."""

import pytest

from beeyard.domain.spec import Backoff, RestartPolicy
from beeyard.domain.values import Duration
from tests.unit.entrypoints.settings.conftest import Errors, One


@pytest.mark.parametrize(
    ("keys", "policy"),
    [
        ("", RestartPolicy()),
        ("restart_policy: always", RestartPolicy("always")),
        ("restart_policy: {policy: never, max_retries: unlimited}", RestartPolicy("never", Backoff(max_retries=None))),
        ("restart_policy: {max_retries: 0}", RestartPolicy(backoff=Backoff(max_retries=0))),
        ("restart_policy: {delay: 2m}", RestartPolicy(backoff=Backoff(Duration(120), max_delay=Duration(120)))),
        (
            "restart_policy: {delay: 2s, factor: 3, max_delay: 4s, max_retries: 5, jitter: 0, window: 6s, cool_down: "
            "7s, "
            "reset_after: 8s}",
            RestartPolicy(
                "on-failure",
                Backoff(Duration(2), 3.0, Duration(4), 5),
                0.0,
                Duration(6),
                Duration(7),
                Duration(8),
            ),
        ),
        ("profile_type: database", RestartPolicy(profile=5.0)),
        (
            "restart_policy: always\nprofile_type: batch\ncontext_aware_restart:\n"
            "  default: {}\n"
            "  health_failures: {max_retries: 1, retry_delay: 90s, backoff_rate: 2}\n"
            "  resource_violations: {max_retries: 4}\n"
            "  severity_multipliers: {warning: 0.5}\n"
            "  process_profile_multipliers: {batch: 4}\n"
            "  startup_grace_period: 2m\n",
            RestartPolicy(
                "always",
                Backoff(Duration(5), 1.5, Duration(60), 3),
                overrides={
                    "health": Backoff(Duration(90), 2.0, Duration(90), 1),
                    "resource": Backoff(Duration(5), 1.5, Duration(60), 4),
                },
                severity={"warning": 0.5},
                profile=4.0,
                startup_grace=Duration(120),
            ),
        ),
        (
            "restart_policy: {delay: 5s}\ncontext_aware_restart: {default: {retry_delay: 5000ms}}",
            RestartPolicy(backoff=Backoff(Duration(5), 1.5, Duration(60), 3)),
        ),
    ],
)
def test_what_is_written_is_what_is_judged_by(one: One, keys: str, policy: RestartPolicy) -> None:
    """Whole policies, defaults included."""
    assert one(keys).restart == policy


def test_spellings_that_disagree_are_an_error(wrong: Errors) -> None:
    """Both lines are named."""
    assert wrong("restart_policy: {delay: 5s}\ncontext_aware_restart: {default: {retry_delay: 6s}}") == [
        "beeyard.yaml:5: workers[0].context_aware_restart.default.retry_delay: found '6s', expected '5s', as "
        "restart_policy.delay says on line 4"
    ]
    profiles = "worker_profile_multipliers: {web: 1}, process_profile_multipliers: {web: 2}"
    assert wrong(f"context_aware_restart: {{{profiles}}}") == [
        "beeyard.yaml:4: workers[0].context_aware_restart: found worker_profile_multipliers and "
        "process_profile_multipliers, expected one of them: they mean the same"
    ]


def test_a_cap_below_the_first_delay_is_an_error(wrong: Errors) -> None:
    """It would never be kept."""
    assert wrong("restart_policy: {delay: 5s, max_delay: 1s}") == [
        "beeyard.yaml:4: workers[0].restart_policy.max_delay: found '1s', expected no less than `delay`"
    ]
