"""What a package adds to a worker's spec, and what it does not."""

import pytest
from msgspec.structs import replace

from beeyard.domain.module import ModuleSpec
from beeyard.domain.packages import HealthCheck
from beeyard.domain.spec import MODULE_PROBES, Endpoint, ProbeRole, ProbeSpec
from beeyard.domain.supply import Supply, probes_of, supplied
from beeyard.domain.values import Duration
from tests.fakes.world import spec

OWN = {"liveness": ProbeSpec("tcp", target="80")}
PACKAGED: dict[ProbeRole, ProbeSpec] = {"readiness": ProbeSpec("http", target="/healthz", endpoint="web")}
SUPPLY = Supply(
    1, "caddy", "2.11.4", "d" * 64, "/store/caddy", "tuf", {"executable_path": "/store/caddy/run"}, PACKAGED
)
WEB, RAW = Endpoint("http", 80), Endpoint("tcp", 81)


def test_a_worker_runs_what_its_package_holds_and_keeps_the_probes_it_has() -> None:
    """The package's probes are for those that have none."""
    worker = spec("web", package="caddy")
    assert supplied(worker, SUPPLY) == replace(worker, run=SUPPLY.run, probes=PACKAGED)
    assert supplied(replace(worker, probes=OWN), SUPPLY).probes == OWN
    assert supplied(worker, None) == worker


def test_a_module_is_ready_once_its_start_returned_whatever_else_it_is_asked() -> None:
    """A file that says how often it is asked does not thereby say that it is ready at once."""
    worker = spec("echo", module=ModuleSpec("echo:Echo"))
    assert supplied(worker, None).probes == MODULE_PROBES
    assert supplied(replace(worker, probes=OWN), None).probes == {"readiness": ProbeSpec("notify"), **OWN}
    asked: dict[ProbeRole, ProbeSpec] = {"readiness": ProbeSpec("tcp", target="80")}
    assert supplied(replace(worker, probes=asked), None).probes == asked


def test_a_worker_that_needs_its_package_no_more_gets_nothing_of_it() -> None:
    """What it ran from before is remembered until it is started anew."""
    worker = spec("web")
    assert supplied(worker, SUPPLY) == worker


@pytest.mark.parametrize(
    ("endpoint", "endpoints", "asked"),
    [
        ("/healthz", {"web": WEB, "raw": RAW}, ("/healthz", "web")),
        ("http://127.0.0.1:9/up", {}, ("http://127.0.0.1:9/up", "")),
        ("http://127.0.0.1:9/up", {"web": WEB, "admin": WEB}, ("http://127.0.0.1:9/up", "")),
        ("/healthz", {"web": WEB, "admin": WEB}, None),
        ("/healthz", {"raw": RAW}, None),
    ],
)
def test_a_path_is_asked_of_the_one_endpoint_that_can_be_meant(
    endpoint: str, endpoints: dict[str, Endpoint], asked: tuple[str, str] | None
) -> None:
    """A whole address is asked as it stands; where two could be meant, nobody is."""
    probes = probes_of(HealthCheck(endpoint, Duration(7.0)), endpoints)
    assert set(probes) == (set() if asked is None else {"readiness", "liveness"})
    assert {(probe.target, probe.endpoint) for probe in probes.values()} == (set() if asked is None else {asked})
    assert all(probe.period == 7.0 for probe in probes.values())


def test_no_health_check_makes_no_probe() -> None:
    """Then it is ready when it runs."""
    assert probes_of(None, {"web": WEB}) == {}
