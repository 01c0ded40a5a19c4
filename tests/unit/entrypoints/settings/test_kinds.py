"""What a kind means for the rest of a worker."""

import pytest

from beeyard.domain.spec import Backoff, Endpoint, ProbeSpec, RestartPolicy, StopStep
from beeyard.domain.values import Duration, SignalNumber
from tests.unit.entrypoints.settings.conftest import Errors, Load, One

FOUND = "discovery: {method: port, port: 80}\n"


def unmanaged(keys: str) -> str:
    """A file with one worker that is found at port 80; more keys start on line 4."""
    return "workers:\n- id: web\n  kind: unmanaged\n" + "".join(f"  {line}\n" for line in (FOUND + keys).splitlines())


@pytest.mark.parametrize("kind", ["integrated", "unmanaged"])
def test_kinds_are_spelled_in_three_ways(load: Load, kind: str) -> None:
    """As `kind`, as the older `type`, and as `provider`."""
    rest = "discovery: {method: port, port: 80}" if kind == "unmanaged" else "execution: {executable_path: /bin/sh}"
    texts = [f"workers: [{{id: web, {key}: {kind}, {rest}}}]" for key in ("kind", "type", "provider")]
    first, *others = [load(text).workers for text in texts]
    assert [first, first] == others
    assert load(f"workers: [{{id: web, provider: process, kind: {kind}, {rest}}}]").workers == first


def test_an_integrated_worker_has_a_port_and_is_asked_there(one: One) -> None:
    """By gRPC, for both roles; what the worker says itself stands."""
    asked = ProbeSpec("grpc", endpoint="grpc")
    spec = one("kind: integrated")
    assert spec.endpoints == {"grpc": Endpoint("grpc", 0)}
    assert spec.probes == {"readiness": asked, "liveness": asked}
    assert one("kind: integrated\nendpoints: {grpc: {port: 50051}}").endpoints == {"grpc": Endpoint("tcp", 50051)}
    assert one("kind: integrated\nprobes: {liveness: {process: true}}").probes == {"liveness": ProbeSpec("process")}


def test_an_unmanaged_worker_is_looked_for_again_for_ever_and_ended_as_allowed(load: Load) -> None:
    """Whatever the defaults of the file say of others."""
    control = "control: {can_terminate: true, allowed_signals: [INT, TERM, KILL], graceful_timeout: 5s}"
    text = "defaults: {restart_policy: never, exit_on: failure, logs: {max_files: 1}}\n" + unmanaged(control)
    (spec,) = load(text).workers
    interval = Duration(30.0)
    assert spec.restart == RestartPolicy("always", Backoff(interval, 1.0, interval, None), jitter=0.0)
    assert spec.stop == (StopStep(SignalNumber(2), Duration(5.0)), StopStep(SignalNumber(15), Duration(5.0)))
    assert (spec.exit_on, spec.logs.max_files) == ("never", 5)


def test_a_health_check_of_what_nobody_can_start_anew_is_readiness_alone(load: Load) -> None:
    """To end somebody's database because it does not answer helps nobody."""
    check = "health_check: {type: tcp, tcp: {address: localhost, port: 80}}\n"
    renewed = "control: {can_restart: true, service_manager: systemd, service_name: web}"
    for control, roles in (("control: {can_terminate: true}", ["readiness"]), (renewed, ["readiness", "liveness"])):
        (spec,) = load(unmanaged(check + control)).workers
        assert list(spec.probes) == roles


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ("restart_policy: always", "restart_policy: found `restart_policy`, expected no such key for an unmanaged "
         "worker (it is looked for again every check_interval)"),
        ("logs: {max_files: 1}", "logs: found `logs`, expected no such key for an unmanaged worker (what it writes "
         "does not come to Beeyard)"),
        ("execution: {executable_path: /bin/sh}", "execution: found a section of the provider process, expected none: "
         "the provider is unmanaged"),
        ("endpoints: {http: {port: auto}}", "endpoints.http.port: found `auto`, expected the port where it listens"),
        ("probes: {readiness: {log: up}}", "probes.readiness: found `log`, expected another probe (what it writes does "
         "not come to Beeyard)"),
        ("probes: {readiness: {notify: true}}", "probes.readiness: found `notify`, expected another probe (it was not "
         "told where to speak to Beeyard)"),
        ("probes: {liveness: {tcp: '80'}}", "probes.liveness: found a liveness probe, expected readiness (a failed one "
         "ends the process, which takes control.can_terminate)"),
        ("limits: {memory: {max_rss: 1GB, policy: restart}}", "limits: found restart for memory.max_rss, expected "
         "none, log or alert (restart ends the process, which takes control.can_terminate)"),
        ("limits: {cpu: {max_cores: 1, policy: throttle}}", "limits: found throttle for cpu.max_cores, expected "
         "another policy (it is watched, not kept within anything: its cgroup is somebody else's)"),
        ("control: {service_manager: launchd}", "control.service_manager: found 'launchd', expected systemd"),
        ("control: {service_manager: systemd}", "control.service_name: found nothing, expected what systemd calls it"),
        ("control: {allowed_signals: [TERM]}", "control.allowed_signals: found signals, expected none, or "
         "can_terminate: true"),
    ],
)  # fmt: skip
def test_what_an_unmanaged_worker_can_not_have(errors: Errors, keys: str, error: str) -> None:
    """Each with the reason, on its line."""
    assert errors(unmanaged(keys)) == [f"beeyard.yaml:5: workers[0].{error}"]


@pytest.mark.parametrize(
    ("discovery", "error"),
    [
        ("{method: pid-file}", "pid_file: found nothing, expected what to look for: the method is pid-file"),
        ("{method: port, port: 80, process_name: web}", "process_name: found `process_name`, expected no such key: the "
         "method is port"),
        ("{method: guess}", "method: found 'guess', expected pid-file, process-name, port or service-name"),
    ],
)  # fmt: skip
def test_what_can_not_be_looked_for(errors: Errors, discovery: str, error: str) -> None:
    """A method has its own key, and no other's."""
    text = f"workers:\n- id: web\n  kind: unmanaged\n  discovery: {discovery}\n"
    assert errors(text)[0] == f"beeyard.yaml:4: workers[0].discovery.{error}"


def test_a_process_has_no_discovery(errors: Errors) -> None:
    """Its keys belong to another kind."""
    text = "workers:\n- id: web\n  execution: {executable_path: /bin/sh}\n  discovery: {method: port, port: 80}\n"
    assert errors(text) == [
        "beeyard.yaml:4: workers[0].discovery: found a section of the provider unmanaged, expected none: the provider "
        "is process"
    ]
