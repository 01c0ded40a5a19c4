"""Workers that are not Beeyard's own: what may be asked of them, and what each end of one is for."""

from collections.abc import Awaitable, Callable

import pytest
from msgspec.structs import replace

from beeyard.application.master import Master
from beeyard.domain.errors import Refused
from beeyard.domain.worker import Stopping
from beeyard.ports.provider import Capabilities
from tests.fakes.clock import settle
from tests.fakes.world import Mortal, World, phase, spec

WEB = spec("web")


class Found(World):
    """A world whose provider owns nothing that it runs."""

    def __init__(self) -> None:
        super().__init__()
        owned = self.provider.capabilities()
        unowned = Capabilities(owned.whole_tree_kill, owned.user_switching, owned.exact_exits, owns=False)
        self.provider.capabilities = lambda: unowned  # type: ignore[method-assign]


ENDS: list[tuple[str, Callable[[Master], Awaitable[object]]]] = [
    ("stop", lambda master: master.stop_worker("web")),
    ("restart", lambda master: master.restart_worker("web")),
    ("release", lambda master: master.shut_down(1.0)),
    ("release", lambda master: master.part_with(["web"])),
    ("release", lambda master: master.apply([], WEB.origin)),
    ("release", lambda master: master.apply([replace(WEB, enabled=False)], WEB.origin)),
    ("release", lambda master: master.apply([replace(WEB, run={"other": 1})], WEB.origin)),
]


@pytest.mark.parametrize(
    ("purpose", "end"), ENDS, ids=["stop", "restart", "down", "remove", "dropped", "disabled", "changed"]
)
async def test_each_end_has_its_purpose(purpose: str, end: Callable[[Master], Awaitable[object]]) -> None:
    """Only what people ask of the worker itself may end it."""
    world = Found()
    async with world.running(WEB) as master:
        await end(master)
        await settle()
        assert world.provider.purposes == [purpose]


async def test_a_master_that_wakes_up_in_the_middle_goes_on_with_the_same_purpose() -> None:
    """What is to be let go is not ended because somebody died meanwhile."""
    world = Found()
    world.provider.stubborn.add("web")
    first = Mortal(world)
    await settle()
    await first.master.add_worker(WEB)
    await settle()
    await first.master.part_with(["web"])
    await settle()
    await first.kill()
    async with world.master().running() as second:
        await settle()
        assert isinstance(phase(second, "web"), Stopping)
        assert world.provider.purposes == ["release", "release"]


async def test_what_may_not_be_done_is_refused_while_it_runs() -> None:
    """And shown beforehand; once it is down there is nothing to refuse."""
    world = Found()
    world.provider.forbidden = {"stop", "restart"}
    async with world.running(WEB) as master:
        for ask in (master.stop_worker, master.restart_worker):
            with pytest.raises(Refused, match=r"^web is not to be touched$"):
                await ask("web")
        assert not master.is_worker_operation_allowed("web", "stop")
        assert master.is_worker_operation_allowed("web", "remove")
        assert world.provider.purposes == []
        await master.part_with(["web"])
        await settle()
        assert master.is_worker_operation_allowed("web", "stop")
