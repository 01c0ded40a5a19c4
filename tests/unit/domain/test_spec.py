"""A spec that was made in a program has to hold what one from the network has to hold."""

from typing import Any

import pytest
from msgspec.structs import replace

from beeyard.domain.errors import Invalid
from beeyard.domain.master import ListenSpec, require_address
from beeyard.domain.spec import (
    Backoff,
    Endpoint,
    Listen,
    LogSpec,
    ProbeSpec,
    RestartPolicy,
    StopStep,
    WorkerSpec,
    check,
    once,
)
from beeyard.domain.values import Duration, Memory, SignalNumber, WorkerId

GOOD = WorkerSpec(WorkerId("web"), "process", {})


def test_what_every_default_says_is_good() -> None:
    """Also with one of everything."""
    assert check(GOOD) == []
    whole = replace(
        GOOD,
        endpoints={"api": Endpoint(listen=Listen()), "local": Endpoint(listen=Listen("/run/a", 0o600, "a", "b"))},
        probes={"liveness": ProbeSpec("http", "/", endpoint="api"), "readiness": ProbeSpec("exec", command=("true",))},
        restart=RestartPolicy(overrides={"health": Backoff(max_retries=None)}, severity={"critical": 2.0}),
    )
    assert check(whole) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"id": "../x"}, "id: found \"../x\", expected 1 to 64 letters, digits, '_' or '-', and '.N' for an instance"),
        (
            {"id": "web\n"},
            "id: found \"web\\n\", expected 1 to 64 letters, digits, '_' or '-', and '.N' for an instance",
        ),
        ({"run": {"a": object()}}, "run: found Encoding objects of type object is unsupported, expected plain values"),
        ({"endpoints": {"a": Endpoint(port=65536)}}, "endpoints.a.port: found 65536, expected a port from 0 to 65535"),
        (
            {"endpoints": {"a": Endpoint(host="a b")}},
            'endpoints.a.host: found "a b", expected a host\'s name or address',
        ),
        ({"logs": LogSpec(Memory(1))}, "logs.max_size: found 1, expected bytes, at least 4096"),
        ({"stop": (StopStep(SignalNumber(33)),)}, "stop[0].signal: found 33, expected a signal's number"),
        ({"origin": "a\nb"}, 'origin: found "a\\nb", expected one line of at most 4096 characters'),
        ({"probes": {"liveness": ProbeSpec("exec")}}, "probes.liveness.command: found nothing, expected a command"),
        (
            {"probes": {"liveness": ProbeSpec("tcp", endpoint="ap")}, "endpoints": {"api": Endpoint()}},
            "probes.liveness.endpoint: found ap, expected the name of an endpoint (did you mean api?)",
        ),
        (
            {"endpoints": {"a": Endpoint(port=80, listen=Listen("/" + 107 * "x"))}},
            "endpoints.a.listen.unix: found a path of 108 bytes, expected at most 107 (no system takes a longer one "
            "for a socket)\nendpoints.a.port: found 80, expected none: with `listen.unix` it is a file",
        ),
        (
            {"endpoints": {"a": Endpoint(listen=Listen(user="www"))}},
            "endpoints.a.listen: found mode, user or group, expected a path as `unix` beside them: a port has none of "
            "them",
        ),
        (
            {"endpoints": {"a": Endpoint("http", listen=Listen("/a"))}, "probes": {"liveness": ProbeSpec("http", "/")}},
            "probes.liveness: found http at a, expected another one (it is a file, and probes ask over the network; "
            "`exec` or `notify` tells)",
        ),
        (
            {"endpoints": {"a": Endpoint(listen=Listen())}, "probes": {"readiness": ProbeSpec("tcp", "a")}},
            "probes.readiness: found tcp at a, expected http, notify, or another one (Beeyard listens there also while "
            "nothing serves, so a connection says nothing)",
        ),
        (
            {"probes": {"liveness": ProbeSpec("http", headers={"A": "b\r\nC: d"})}},
            'probes.liveness.headers.A: found "b\\r\\nC: d", expected one line of at most 4096 characters',
        ),
        (
            {"restart": RestartPolicy(backoff=Backoff(factor=0.5, delay=Duration(-1.0)))},
            "restart.backoff.delay: found -1.0, expected seconds, at most ten years of them\n"
            "restart.backoff.factor: found 0.5, expected a number from 1 to 1000",
        ),
    ],
)
def test_what_no_worker_can_be_is_told_with_its_place(wrong: dict[str, Any], said: str) -> None:
    """Python does not look at the types of what a struct is made of."""
    assert "\n".join(map(str, check(replace(GOOD, **wrong)))) == said


def test_a_section_that_cannot_be_saved_is_refused() -> None:
    """However deep it is, and whatever it holds."""
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    for run in (deep, {"a": "\ud800"}, {"a": 2**70}):
        assert [problem.path for problem in check(replace(GOOD, run=run))] == ["run"]


def test_two_specs_of_one_worker_are_refused() -> None:
    """Which of them was meant, nobody knows."""
    once([GOOD, replace(GOOD, id=WorkerId("db"))])
    with pytest.raises(Invalid, match="web: found 2 specs, expected one spec of a worker") as refused:
        once([GOOD, GOOD])
    assert refused.value.code == "worker_twice"


@pytest.mark.parametrize("listen", [ListenSpec(), ListenSpec("none"), ListenSpec("[::1]:80", "/c", "/k", "/a", ("x",))])
def test_an_address_that_can_be_one_is_taken(listen: ListenSpec) -> None:
    """Whether this host has it is found out when it is needed."""
    require_address(listen)


@pytest.mark.parametrize(
    ("listen", "said"),
    [
        (ListenSpec("here"), "master.listen.address: found here, expected HOST:PORT, [IPV6]:PORT or none"),
        (ListenSpec("a b:80"), "master.listen.address: found a b:80, expected HOST:PORT, [IPV6]:PORT or none"),
        (ListenSpec(key="/k"), "master.listen: found one without the other, expected a certificate and its key"),
        (ListenSpec(client_ca="/a"), "master.listen: found one without the other, expected a certificate and its key"),
    ],
)
def test_an_address_that_cannot_be_one_is_refused(listen: ListenSpec, said: str) -> None:
    """Before anything is changed."""
    with pytest.raises(Invalid) as refused:
        require_address(listen)
    assert (refused.value.code, str(refused.value)) == ("listen_invalid", said)
