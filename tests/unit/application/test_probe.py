"""The operation `probe`, over a master among fakes."""

import pytest

from beeyard.application.master import Master
from beeyard.application.operation import EVERYTHING, Call, Caller
from beeyard.application.operations.probe import Probe, ProbeAnswer, probe
from beeyard.domain.errors import NotFound, Refused
from beeyard.domain.spec import ProbeRole, ProbeSpec
from beeyard.domain.values import Duration
from beeyard.domain.worker import Cause
from beeyard.ports.prober import Result
from tests.fakes.clock import settle
from tests.fakes.world import World, spec

HOUR = Duration(3600.0)
BOTH: dict[ProbeRole, ProbeSpec] = {
    "readiness": ProbeSpec("tcp", target="80", period=HOUR),
    "liveness": ProbeSpec("tcp", target="81", period=HOUR, failures=1),
}


async def ask(master: Master, worker: str, role: ProbeRole | None = None) -> list[ProbeAnswer]:
    """What the probes say now, without what it cost."""
    return await probe(master, Probe(worker, role), Call(Caller("ann", EVERYTHING)))


async def test_all_probes_of_a_worker_or_group_answer_now() -> None:
    """Long before it is their time; and a passed readiness makes it ready."""
    world = World()
    async with world.running(spec("web.1", probes=BOTH), spec("web.2", probes=BOTH)) as master:
        answers = await ask(master, "web")
        assert [(a.worker, a.role, a.ok, a.counted) for a in answers] == [
            (f"web.{number}", role, True, True) for number in (1, 2) for role in ("readiness", "liveness")
        ]
        await settle()
        assert master.supervisors["web.1"].view(world.clock.now()).ready


async def test_one_role_is_asked_alone() -> None:
    """The other one is left in peace."""
    world = World()
    async with world.running(spec("web", probes=BOTH)) as master:
        assert [answer.role for answer in await ask(master, "web", "liveness")] == ["liveness"]
        assert world.prober.asked == ["tcp 127.0.0.1 81"]


async def test_a_failure_found_by_hand_ends_the_worker_as_any_other_does() -> None:
    """The story says which probe, and what it found."""
    world = World()
    async with world.running(spec("web", probes=BOTH)) as master:
        world.prober.answer = Result(False, "refused")
        (answer,) = await ask(master, "web", "liveness")
        assert (answer.ok, answer.reason) == (False, "refused")
        await settle()
        deaths = await world.store.deaths("web", 9)
        assert [death.cause for death in deaths] == [Cause("probe", "liveness probe failed: refused")]


async def test_who_does_not_run_can_not_be_probed() -> None:
    """The error says how it is."""
    world = World()
    async with world.running(spec("web", probes=BOTH, enabled=False)) as master:
        with pytest.raises(Refused, match="web can't be probed: it is registered") as caught:
            await ask(master, "web")
        assert caught.value.hint == "beeyard why web"


@pytest.mark.parametrize(("role", "error"), [(None, "web has no probe"), ("startup", "web has no startup probe")])
async def test_a_probe_nobody_wrote_is_not_found(role: ProbeRole | None, error: str) -> None:
    """Whether none at all, or none in that role."""
    world = World()
    probes = {} if role is None else BOTH
    async with world.running(spec("web", probes=probes)) as master:
        with pytest.raises(NotFound, match=f"^{error}$"):
            await ask(master, "web", role)


async def test_show_tells_how_each_probe_stands_and_what_it_costs() -> None:
    """By role, for those that have begun."""
    world = World()
    async with world.running(spec("web", probes=BOTH)) as master:
        await ask(master, "web", "readiness")
        shown = master.detail(master.supervisors["web"]).probes
        assert {role: (view.means, view.passed, view.said, view.asked) for role, view in shown.items()} == {
            "readiness": ("tcp", True, "passed", 1),
            "liveness": ("tcp", True, "", 0),
        }
