"""What only grows is told where people look, with its figures, and ends nothing."""

from collections.abc import Callable
from contextlib import aclosing

from beeyard.application.master import Master
from beeyard.application.views import Event
from beeyard.domain.growth import ROW, WINDOW
from beeyard.domain.module import ModuleSpec
from beeyard.domain.worker import Running
from beeyard.ports.notify import Word
from beeyard.sdk.report import Report
from tests.fakes.world import World, phase, spec

HOURS = int((ROW + 2) * WINDOW / 300)
"""Looks of five minutes each until something can have grown."""


async def lived(world: World, master: Master, report: Callable[[int], Report], memory: Callable[[int], int]) -> None:
    """For some hours, in which the module of `w` says this, and the master takes so much."""
    for number in range(HOURS):
        world.clock.advance(300.0)
        world.host.own = memory(number)
        notified = master.supervisors["w"].notified
        assert notified is not None
        notified.take(Word(ready=True, report=report(number)))
        master.growths.look()


def level(number: int) -> int:
    """Always the same."""
    return 2**26


async def told(master: Master) -> list[Event]:
    """The events of this kind."""
    found: list[Event] = []
    async with aclosing(master.feed.read("")) as batches:
        async for batch in batches:
            found += [event for event in batch if event.kind == "growth"]
            if not batch or batch[-1].cursor == master.feed.cursor:
                break
    return found


async def test_tasks_that_only_grow_are_told_once_and_restart_nothing() -> None:
    """In the list, on its screen and as an event; the other counts are not."""
    world = World()
    async with world.running(spec("w", module=ModuleSpec("m:M"))) as master:
        await lived(world, master, lambda number: Report(healthy=True, tasks=3 + 4 * number, threads=2), level)
        text = master.supervisors["w"].grows
        assert text.startswith("tasks only grew for ")
        assert master.view(master.supervisors["w"]).note == text
        assert master.detail(master.supervisors["w"]).grows == [text]
        assert [event.data.what for event in await told(master)] == ["tasks"]
        assert isinstance(phase(master, "w"), Running)
        assert master.supervisors["w"].worker.attempt == 1


async def test_it_is_told_no_more_when_they_were_given_back() -> None:
    """As of the window in which that was."""
    world = World()
    async with world.running(spec("w", module=ModuleSpec("m:M"))) as master:
        await lived(world, master, lambda number: Report(healthy=True, threads=3 + 4 * number), level)
        assert "threads only grew" in master.supervisors["w"].grows
        await lived(world, master, lambda number: Report(healthy=True, threads=3), level)
        assert master.supervisors["w"].grows == ""
        assert master.view(master.supervisors["w"]).note == ""


async def test_memory_of_the_master_is_told_as_the_master_s_with_all_that_run_in_it() -> None:
    """Nobody can tell whose it is; and without modules it is nobody's business here."""
    world = World()
    world.provider.within = True
    specs = [spec(name, module=ModuleSpec("m:M")) for name in ("other", "w")]
    async with world.running(*specs) as master:
        await lived(world, master, lambda number: Report(healthy=True), lambda number: (64 + 8 * number) * 2**20)
        [text] = master.detail(master.supervisors["w"]).grows
        assert text.startswith("memory of the master only grew for ")
        assert text.endswith("within it run other, w")
        assert master.supervisors["w"].grows == ""
        [event] = await told(master)
        assert (event.worker, event.data.what) == (None, "memory")


async def test_memory_of_a_master_that_runs_no_modules_is_not_watched() -> None:
    """Processes have their own."""
    world = World()
    async with world.running(spec("w", module=ModuleSpec("m:M"))) as master:
        await lived(world, master, lambda number: Report(healthy=True), lambda number: (64 + 8 * number) * 2**20)
        assert master.detail(master.supervisors["w"]).grows == []
