"""What workers can be reached by, over a master among fakes."""

from typing import Any

import pytest

from beeyard.application.endpoints import LEASE, address
from beeyard.application.master import Master
from beeyard.domain.errors import Invalid, NotFound, Refused
from beeyard.domain.messages import Exit
from beeyard.domain.module import ModuleSpec
from beeyard.domain.spec import Endpoint, ProbeSpec
from beeyard.ports.notify import Word
from beeyard.sdk.report import Offer, Report
from tests.fakes.clock import settle
from tests.fakes.world import World, spec

HTTP = {"http": Endpoint("http", port=8080, path="v1")}
MODULE: dict[str, Any] = {
    "module": ModuleSpec("echo:create"),
    "endpoints": HTTP,
    "probes": {"readiness": ProbeSpec("notify")},  # And no liveness: silence is not to end it here.
}
ECHO = Report(healthy=True, offers={"echo": Offer("direct", "Echo", {"version": "2"})})


def reached(master: Master, name: str) -> dict[str, str]:
    """By name of the endpoint, where."""
    return {view.name: view.address for view in master.endpoints.of(master.find(name))}


async def test_an_endpoint_is_known_while_the_worker_is_ready() -> None:
    """Neither before its readiness probe passed, nor after it was stopped; with the port that it got."""
    world = World()
    probed = spec("web", endpoints={"http": Endpoint("http")}, probes={"readiness": ProbeSpec("tcp", target="80")})
    async with world.running(probed) as master:
        assert reached(master, "web") == {}
        await world.clock.run(10.0)
        (view,) = master.endpoints.of(master.find("web"))
        port = world.provider.ports["web", 1]["http"]
        assert (view.kind, view.protocol, view.address) == ("url", "http", f"http://127.0.0.1:{port}")
        assert (view.worker, view.name, view.source) == ("web", "http", "file")
        await master.stop_worker("web")
        await settle()
        assert reached(master, "web") == {}


async def test_what_a_module_registered_is_an_endpoint_until_it_is_silent() -> None:
    """Each report renews it; three periods without one take it back, and not what its worker file says."""
    world = World()
    async with world.running(spec("echo", **MODULE)) as master:
        world.notices.say("echo", 1, Word(ready=True, report=ECHO))
        await settle()
        found = master.get_worker_endpoint("echo", "echo")
        assert (found.kind, found.protocol, found.address) == ("function", "direct", "Echo")
        assert (found.metadata, found.source) == ({"version": "2"}, "module")
        lease = LEASE * 11.0  # A period, and the time it may take to answer.
        await world.clock.run(lease)
        assert set(reached(master, "echo")) == {"echo", "http"}
        world.notices.say("echo", 1, Word(report=ECHO))
        await world.clock.run(lease)
        assert set(reached(master, "echo")) == {"echo", "http"}
        await world.clock.run(1.0)
        assert set(reached(master, "echo")) == {"http"}


async def test_what_an_attempt_registered_goes_with_it() -> None:
    """The next one begins with nothing but the endpoints of the worker file."""
    world = World()
    async with world.running(spec("echo", **MODULE)) as master:
        world.notices.say("echo", 1, Word(ready=True, report=ECHO))
        await settle()
        world.provider.exit("echo", Exit(1))
        await settle()
        assert reached(master, "echo") == {}
        await world.clock.run(1.0)
        world.notices.say("echo", 2, Word(ready=True, report=Report(healthy=True)))
        await settle()
        assert set(reached(master, "echo")) == {"http"}


async def test_those_of_a_group_that_are_ready_take_turns() -> None:
    """In their order; one that is stopped is left out."""
    world = World()
    specs = [spec(f"web.{n}", endpoints={"http": Endpoint("http", port=8000 + n)}) for n in (1, 2, 3)]
    async with world.running(*specs) as master:
        assert [master.get_worker_endpoint("web").worker for _ in range(4)] == ["web.1", "web.2", "web.3", "web.1"]
        await master.stop_worker("web.2")
        await settle()
        assert [master.get_worker_endpoint("web").worker for _ in range(2)] == ["web.3", "web.1"]


async def test_what_can_not_be_told_says_what_to_do() -> None:
    """Unknown, not running, misspelt, several, none."""
    world = World()
    two = {"http": Endpoint("http", port=1), "metrics": Endpoint("http", port=2)}
    specs = [spec("web", endpoints=two), spec("down", endpoints=two, enabled=False), spec("mute")]
    told = []
    async with world.running(*specs) as master:
        asked = (("webb", "http"), ("down", "http"), ("web", "htp"), ("web", ""), ("mute", ""))
        for worker, name in asked:
            with pytest.raises((NotFound, Refused, Invalid)) as caught:
                master.get_worker_endpoint(worker, name)
            told.append((caught.value.code, str(caught.value), caught.value.hint))
    assert told == [
        ("no_such_worker", "there is no worker webb", "did you mean web?"),
        ("worker_unreachable", "down can't be reached: it is registered", "beeyard start down"),
        ("no_such_endpoint", "web has no endpoint htp", "did you mean http?"),
        ("endpoint_ambiguous", "web has several endpoints: http, metrics", "name one of them"),
        (
            "no_such_endpoint",
            "mute has no endpoint",
            "`endpoints:` in the worker file names some, or its module does",
        ),
    ]


@pytest.mark.parametrize(
    ("endpoint", "port", "told"),
    [
        (HTTP["http"], 9090, "http://127.0.0.1:9090/v1"),
        (Endpoint("https", host="::", port=443), None, "https://[::1]:443"),
        (Endpoint("grpc", host="0.0.0.0", port=50051), None, "127.0.0.1:50051"),
    ],
)
def test_an_address_is_one_that_this_host_can_ask(endpoint: Endpoint, port: int | None, told: str) -> None:
    """Where it listens on all addresses, one of them; brackets around IPv6; a path begins with a slash."""
    assert address(endpoint, port) == told
