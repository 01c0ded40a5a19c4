"""Probes in every spelling, and which endpoint they ask."""

import pytest
from msgspec.structs import replace

from beeyard.domain.spec import ProbeSpec
from beeyard.domain.values import Duration
from tests.unit.entrypoints.settings.conftest import Errors, One

ENDPOINTS = "endpoints: {web: {protocol: http, port: 80}, tls: {protocol: https, port: 443}, db: {port: 5432}}\n"
ONE = "endpoints: {web: {protocol: http, port: 80}, db: {port: 5432}}\n"


@pytest.mark.parametrize(
    ("probe", "spec"),
    [
        ("{http: /health}", ProbeSpec("http", "/health", endpoint="web")),
        ("{http: /health, endpoint: db}", ProbeSpec("http", "/health", endpoint="db")),
        ("{http: 'https://x:1/y', method: HEAD, headers: {A: 1}}",
         ProbeSpec("http", "https://x:1/y", method="HEAD", headers={"A": "1"})),
        ("{tcp: db}", ProbeSpec("tcp", endpoint="db")),
        ("{tcp: 5432}", ProbeSpec("tcp", "5432")),
        ("{tcp: 'db.example.org:5432'}", ProbeSpec("tcp", "db.example.org:5432")),
        ("{tcp: '[::1]:5432'}", ProbeSpec("tcp", "[::1]:5432")),
        ("{grpc: db}", ProbeSpec("grpc", endpoint="db")),
        ("{grpc: 'api:50051', service: orders}", ProbeSpec("grpc", "api:50051", service="orders")),
        ("{notify: true, period: 5s}", ProbeSpec("notify", period=Duration(5))),
        ("{exec: [test, -d, /]}", ProbeSpec("exec", command=("test", "-d", "/"))),
        ("{exec: \"test -d '/a b'\"}", ProbeSpec("exec", command=("test", "-d", "/a b"))),
        ("{log: 'listening on [0-9]+'}", ProbeSpec("log", "listening on [0-9]+")),
        ("{log: ready, stream: stderr}", ProbeSpec("log", "ready", stream="stderr")),
        ("{process: true}", ProbeSpec("process")),
        ("{process: true, period: 500ms, timeout: 2s, initial_delay: 0, failures: 9, successes: 2}",
         ProbeSpec("process", period=Duration(0.5), timeout=Duration(2), failures=9, successes=2)),
    ],
)  # fmt: skip
def test_a_probe_asks_in_one_way(one: One, probe: str, spec: ProbeSpec) -> None:
    """With the contract's defaults for the rest."""
    assert one(f"{ONE}probes: {{startup: {probe}}}").probes == {"startup": spec}


@pytest.mark.parametrize(
    ("probe", "error"),
    [
        ("{}", ": found no way to probe, expected one of http, tcp, grpc, exec, log, module, notify or process"),
        ("{tcp: 1, process: true}", ": found tcp and process, expected one of http, tcp, grpc, exec, log, module, "
         "notify or process"),
        ("{http: /x}", ".http: found '/x' and 2 endpoints that speak http, expected one endpoint to ask (name one with "
         "`endpoint:`: web, tls)"),
        ("{http: /x, endpoint: wbe}", ".endpoint: found 'wbe', expected the name of an endpoint (did you mean 'web'?)"),
        ("{http: health}", ".http: found 'health', expected a path such as /health, or a URL"),
        ("{tcp: dbs}", ".tcp: found 'dbs', expected the name of an endpoint, a port, or host:port (did you mean "
         "'db'?)"),
        ("{tcp: 'x:70000'}", ".tcp: found 'x:70000', expected the name of an endpoint, a port, or host:port (known: "
         "db, tls, web)"),
        ("{tcp: db, endpoint: db}", ".endpoint: found `endpoint`, expected no such key: a probe by tcp has none"),
        ("{exec: \"'x\"}", ".exec: found ''x', expected a command (no closing quotation)"),
        ("{log: ready}", ".log: found `log`, expected startup or readiness (a line once written says nothing of now; "
         "liveness needs a probe that asks)"),
        ("{tcp: db, stream: stdout}", ".stream: found `stream`, expected no such key: a probe by tcp has none"),
        ("{exec: []}", ".exec: found an empty list, expected a command"),
        ("{exec: ' '}", ".exec: found ' ', expected a command"),
        ("{notify: false}", ".notify: found false, expected true, or no such key"),
        ("{process: false}", ".process: found false, expected true, or no such key"),
        ("{process: true, period: 0s}", ".period: found '0s', expected a duration above 0"),
        ("{process: true, failures: 0}", ".failures: found 0, expected a whole number from 1 to 1000000"),
        ("{grpc: nowhere}", ".grpc: found 'nowhere', expected the name of an endpoint, a port, or host:port "
         "(known: db, tls, web)"),
        ("{tcp: db, service: x}", ".service: found `service`, expected no such key: a probe by tcp has none"),
    ],
)  # fmt: skip
def test_what_can_not_be_asked(wrong: Errors, probe: str, error: str) -> None:
    """Each with its line and the way out."""
    assert wrong(f"{ENDPOINTS}probes: {{liveness: {probe}}}") == [f"beeyard.yaml:5: workers[0].probes.liveness{error}"]


def test_a_pattern_that_is_none_is_found_before_anything_starts(wrong: Errors) -> None:
    """With what the expression lacks."""
    assert wrong("probes: {readiness: {log: 'ready (now'}}") == [
        "beeyard.yaml:4: workers[0].probes.readiness.log: found 'ready (now', expected a regular expression (missing "
        "), unterminated subpattern at position 6)"
    ]


def test_a_log_probe_listens_to_a_stream_there_is(wrong: Errors) -> None:
    """The nearest is named."""
    assert wrong("probes: {readiness: {log: ready, stream: out}}") == [
        "beeyard.yaml:4: workers[0].probes.readiness.stream: found 'out', expected stdout or stderr (did you mean "
        "'stdout'?)"
    ]


def test_a_path_without_endpoint_has_nothing_to_ask(wrong: Errors) -> None:
    """Unless it is a whole URL."""
    assert wrong("probes: {liveness: {http: /x}}") == [
        "beeyard.yaml:4: workers[0].probes.liveness.http: found '/x' and no endpoints that speak http, expected one "
        "endpoint to ask (or write a whole URL)"
    ]


def test_roles_are_three(wrong: Errors) -> None:
    """The nearest is named."""
    assert wrong("probes: {readyness: {tcp: 1}}") == [
        "beeyard.yaml:4: workers[0].probes.readyness: found 'readyness', expected startup, readiness or liveness (did "
        "you "
        "mean 'readiness'?)"
    ]


OLDER = ProbeSpec("process", period=Duration(30), timeout=Duration(5), failures=3)


@pytest.mark.parametrize(
    ("check", "spec"),
    [
        ("{endpoint: /health, interval: 10s}", ProbeSpec("http", "/health", endpoint="web", period=Duration(10),
         timeout=Duration(5))),
        ("{type: http, http: {url: 'http://x/', method: HEAD, headers: {A: b}}}",
         replace(OLDER, means="http", target="http://x/", method="HEAD", headers={"A": "b"})),
        ("{type: tcp, tcp: {address: x, port: 1}}", replace(OLDER, means="tcp", target="x:1")),
        ("{type: grpc, grpc: {address: 'x:1', service: s}}", replace(OLDER, means="grpc", target="x:1", service="s")),
        ("{type: exec, exec: {command: test, args: [-d, /]}}",
         replace(OLDER, means="exec", command=("test", "-d", "/"))),
        ("{type: process, run_options: {interval: 1s, timeout: 2s, initial_delay: 3s, retries: 0}}",
         ProbeSpec("process", period=Duration(1), timeout=Duration(2), initial_delay=Duration(3), failures=1)),
    ],
)  # fmt: skip
def test_a_health_check_is_readiness_and_liveness(one: One, check: str, spec: ProbeSpec) -> None:
    """Both forms of older files."""
    assert one(f"{ONE}health_check: {check}").probes == {"readiness": spec, "liveness": spec}


def test_a_disabled_health_check_is_none(one: One) -> None:
    """`enabled: false` is honoured."""
    assert one("health_check: {type: process, run_options: {enabled: false}}").probes == {}


@pytest.mark.parametrize(
    ("check", "error"),
    [
        ("{interval: 1s}", ".endpoint: found nothing, expected a path such as /health, or a URL"),
        ("{type: tcp}", ".tcp: found nothing, expected what a check of type tcp asks"),
        ("{type: grpc, grpc: {}}", ".grpc.address: found nothing, expected a value: it has no default"),
        ("x", ": found 'x', expected a mapping"),
    ],
)  # fmt: skip
def test_a_health_check_without_a_question(wrong: Errors, check: str, error: str) -> None:
    """What is missing is named."""
    assert f"beeyard.yaml:4: workers[0].health_check{error}" in wrong(f"health_check: {check}")


def test_two_spellings_of_one_probe_must_agree(wrong: Errors, one: One) -> None:
    """Or one of them would be ignored."""
    assert wrong("probes: {liveness: {process: true}}\nhealth_check: {type: process}") == [
        "beeyard.yaml:5: workers[0].health_check: found another liveness probe than on line 4, expected one probe a "
        "role"
    ]
    same = "probes: {liveness: {process: true, period: 30s, timeout: 5s}}\nhealth_check: {type: process}"
    assert set(one(same).probes) == {"readiness", "liveness"}


def test_a_grpc_probe_needs_grpc(wrong: Errors, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra of Beeyard; whoever lacks it hears so before anything is started."""
    monkeypatch.setattr("beeyard.entrypoints.settings.probes.find_spec", lambda name: None)
    assert wrong("probes: {readiness: {grpc: 50051}}") == [
        "beeyard.yaml:4: workers[0].probes.readiness.grpc: found no gRPC in this installation, expected another probe "
        "(pip install 'beeyard[grpc]')"
    ]
