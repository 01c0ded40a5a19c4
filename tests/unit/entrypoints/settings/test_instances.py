"""Groups: of one size always, and as large as they need to be."""

import msgspec
import pytest

from beeyard.domain.scaling import Metric, Scaling
from beeyard.domain.spec import WorkerSpec, check
from beeyard.domain.values import Duration
from tests.unit.entrypoints.settings.conftest import SHELL, Errors, Load

HTTP = "\nendpoints: {http: {protocol: http}}"


def group(load: Load, instances: str, more: str = "") -> list[WorkerSpec]:
    """The workers of a file with one group."""
    text = SHELL + "".join(f"  {line}\n" for line in (f"instances: {instances}{more}").splitlines())
    return load(text).workers


def test_a_group_that_scales_is_spread_to_its_upper_bound(load: Load) -> None:
    """All are known, each with what decides how many run; the smallest number of them begins."""
    found = group(load, "{min: 2, max: 8, spares: 2, cpu: 70%, up: 15s, down: 5m, cool_down: 1m}")
    assert [spec.id for spec in found] == [f"web.{number}" for number in range(1, 9)]
    assert {spec.scaling for spec in found} == {Scaling(2, 8, 2, 70.0, None, Duration(15), Duration(300), Duration(60))}
    assert [problem for spec in found for problem in check(spec)] == []
    assert msgspec.json.decode(msgspec.json.encode(found[0]), type=WorkerSpec) == found[0]


def test_a_metric_instead_of_cpu(load: Load) -> None:
    """Asked of each instance, or of one place that knows of all."""
    metric = "{http: /metrics, name: queue_depth, target: 10}"
    found = group(load, f"{{min: 1, max: 2, metric: {metric}}}", HTTP)
    assert [spec.scaling for spec in found] == [Scaling(1, 2, metric=Metric("/metrics", "queue_depth", 10.0))] * 2
    url = "{http: 'http://127.0.0.1:9/m', name: q, target: 0.5, endpoint: ''}"
    (one, _) = group(load, f"{{min: 1, max: 2, metric: {url}}}")
    assert one.scaling == Scaling(1, 2, metric=Metric("http://127.0.0.1:9/m", "q", 0.5))


def test_equal_bounds_are_a_group_of_that_size(load: Load) -> None:
    """There is nothing to decide, whatever by."""
    plain = group(load, "3")
    assert group(load, "{min: 3, max: 3}") == plain
    assert group(load, "{min: 3, max: 3, cpu: 70%}") == plain


@pytest.mark.parametrize(
    ("written", "problems"),
    [
        ("{max: 2, cpu: 70%}", ["instances.min: found nothing, expected a value: it has no default"]),
        ("{min: 0, max: 2, cpu: 70%}", ["instances.min: found 0, expected a whole number from 1 to 1000"]),
        ("{min: 3, max: 2, cpu: 70%}", ["instances.min: found 3, expected at most max, which is 2"]),
        ("{min: 1, max: 2, spares: 2, cpu: 70%}", ["instances.spares: found 2, expected less than max, which is 2"]),
        (
            "{min: 1, max: 2}",
            [
                "instances: found neither cpu nor metric, expected one of them"
                " (by what should it be decided how many are to run?)"
            ],
        ),
        (
            "{min: 1, max: 2, cpu: 70%, metric: {http: 'http://a/', name: q, target: 1}}",
            ["instances.metric: found cpu and metric, expected one of them"],
        ),
        ("{min: 1, max: 2, cpu: much}", ["instances.cpu: found 'much', expected a percentage such as 70%"]),
        ("{min: 1, max: 2, cpu: 0%}", ["instances.cpu: found '0%', expected a percentage above 0, such as 70%"]),
        ("{min: 1, max: 2, cpu: 70%, down: 2h}", ["instances.down: found '2h', expected a duration of at most 1h"]),
        (
            "{min: 1, max: 2, metric: {http: /metrics, name: q, target: 1}}",
            ["instances.metric.http: found /metrics, and no http endpoint, expected one, or a URL"],
        ),
        (
            "{min: 1, max: 2, metric: {http: 'http://a/', name: q, target: 0}}",
            ["instances.metric.target: found 0, expected a number above 0"],
        ),
        ("{min: 1, max: 2, cpu: 70%, cooldown: 1m}", ["instances.cooldown: found 'cooldown', expected a known key"
                                                      " (did you mean 'cool_down'?)"]),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_told_where_it_stands(wrong: Errors, written: str, problems: list[str]) -> None:
    """At the key, with what was expected."""
    assert wrong(f"instances: {written}") == [f"beeyard.yaml:4: workers[0].{problem}" for problem in problems]


def test_an_instance_of_a_group_that_scales_stays(wrong: Errors) -> None:
    """How many run is for the group to say, and not for the age of one."""
    assert wrong("instances: {min: 1, max: 2, cpu: 70%}\nlifetime: {max: 1d, idle: 30m, after: 10m}") == [
        f"beeyard.yaml:4: workers[0].instances: found lifetime.{word} beside it, expected a group whose instances stay "
        "(`instances` says how many of it run)"
        for word in ("idle of 30m", "after of 10m")
    ]


def test_instances_of_a_group_that_scales_can_not_share_a_port(wrong: Errors) -> None:
    """Also while one alone runs: another may come."""
    assert wrong("instances: {min: 1, max: 2, cpu: 70%}\nendpoints: {a: {port: 80}}") == [
        "beeyard.yaml:5: workers[0].endpoints.a.port: found 80, expected `auto`: all instances would open the same "
        "port (with `listen: true` they share one socket)"
    ]


def test_nobody_is_restarted_with_a_group_that_scales(errors: Errors) -> None:
    """Its instances come and go."""
    text = SHELL + "  instances: {min: 1, max: 2, cpu: 70%}\n"
    text += "- id: a\n  execution: {executable_path: /bin/sh}\n  depends_on: {web: {restart: true}}\n"
    assert errors(text) == [
        "beeyard.yaml:7: workers[1].depends_on.web: found `restart` with web, expected none: that group scales"
        " (its instances come and go as they are needed)"
    ]
