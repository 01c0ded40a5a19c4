"""`rollout:` of a worker: what a group of two colours is made of, and what does not go together."""

import pytest

from beeyard.domain.spec import WorkerSpec, check
from tests.unit.entrypoints.settings.conftest import SHELL, Errors, Load

HEAD = "  package: hello\n"
BLUE = "  rollout: {strategy: blue-green}\n"


def group(load: Load, text: str) -> list[WorkerSpec]:
    return list(load(SHELL + HEAD + text).workers)


def test_blue_green_makes_as_many_again(load: Load) -> None:
    """All known from the start; each says how many run."""
    found = group(load, BLUE + "  instances: 2\n")
    assert [(spec.id, spec.half) for spec in found] == [(f"web.{number}", 2) for number in range(1, 5)]
    assert [problem for spec in found for problem in check(spec)] == []
    assert [spec.half for spec in group(load, "  instances: 2\n")] == [0, 0]


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        (BLUE, "rollout.strategy: found blue-green without `instances`, expected a group: `instances: 1` will do"),
        (
            BLUE + "  instances: {min: 1, max: 2, cpu: 70%}\n",
            "rollout.strategy: found blue-green in a group that scales, expected another one"
            " (how many run is said by a number, and as many are on standby)",
        ),
        (
            BLUE + "  instances: 1\n  endpoints: {http: {protocol: http, port: 8080}}\n",
            "endpoints.http.port: found 8080, expected `auto`"
            " (both versions run for a while: with `listen: true` they share one socket)",
        ),
        (
            BLUE + "  instances: 1\n  endpoints: {http: {protocol: http, port: 8080, listen: true}}\n"
            "  probes: {readiness: {http: /}}\n",
            "probes.readiness: found http at http, expected notify, or another one (both versions answer there while"
            " they stand side by side; with `port: auto` it is an endpoint of its own)",
        ),
        (
            "  rollout: {promote: manual}\n",
            "rollout.promote: found manual, and the strategy all, expected auto"
            " (a canary waits for somebody's word after its share, blue-green before it takes over)",
        ),
        (
            BLUE + "  instances: 1\n  lifetime: {idle: 5m}\n",
            "instances: found lifetime.idle of 5m beside it, expected a group whose instances stay"
            " (`instances` says how many of it run)",
        ),
    ],
)
def test_what_does_not_go_together_is_said_with_its_field(errors: Errors, written: str, problem: str) -> None:
    """And what to do instead."""
    found = [line.partition("workers[0].")[2] for line in errors(SHELL + HEAD + written)]
    assert found == [problem]
