"""What `swap` asks, waits for and answers, over a master among fakes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from beeyard.domain.errors import Refused
from beeyard.domain.messages import Exit
from beeyard.domain.module import ModuleSpec
from beeyard.ports.notify import Word
from beeyard.sdk.report import Report
from tests.fakes.clock import settle
from tests.fakes.world import World, spec
from tests.unit.application.test_operations import ask

MODULE = ModuleSpec("m:M")
OLD = Report(healthy=True, code="old")
Does = Callable[[str, int], Awaitable[None]]


def hosting(does: Does) -> tuple[World, list[str]]:
    """A world whose provider hosts modules, which when asked for new code do this; who was asked."""
    world, asked = World(), list[str]()

    async def swap(worker: str, attempt: int) -> None:
        asked.append(worker)
        await does(worker, attempt)

    setattr(world.provider, "swap", swap)  # noqa: B010  # It is no part of what every provider has.
    return world, asked


def says(world: World, worker: str, report: Report, attempt: int = 1) -> None:
    """The host's word."""
    world.notices.say(worker, attempt, Word(ready=True, report=report))


async def nothing(worker: str, attempt: int) -> None:
    """It does not answer."""


async def test_the_answer_is_what_the_host_reports_next() -> None:
    """One worker after the other, each with the code before and after."""

    async def does(worker: str, attempt: int) -> None:
        says(world, worker, OLD)  # One more of its usual ones.
        says(world, worker, Report(healthy=True, code="new"))  # It serves, and the old one is not stopped yet.
        asyncio.get_running_loop().call_soon(says, world, worker, Report(healthy=True, code="new", swaps=1))

    world, asked = hosting(does)
    async with world.running(spec("w.1", module=MODULE), spec("w.2", module=MODULE)) as master:
        for name in ("w.1", "w.2"):
            says(world, name, OLD)
        views = await ask(master, "swap", workers=["w"])
        assert [(view.worker, view.before, view.code, view.refused) for view in views] == [
            ("w.1", "old", "new", ""),
            ("w.2", "old", "new", ""),
        ]
        assert asked == ["w.1", "w.2"]


async def test_after_one_that_refused_the_rest_is_not_asked() -> None:
    """The same code would do there no better."""

    async def does(worker: str, attempt: int) -> None:
        says(world, worker, Report(healthy=True, code="old", swaps=1, refused="no database"))

    world, asked = hosting(does)
    async with world.running(spec("w.1", module=MODULE), spec("w.2", module=MODULE)) as master:
        for name in ("w.1", "w.2"):
            says(world, name, OLD)
        [view] = await ask(master, "swap", workers=["w"])
        assert (view.refused, view.code, asked) == ("no database", "old", ["w.1"])


async def test_an_end_meanwhile_is_the_answer() -> None:
    """Nobody waits for a host that is no more."""

    async def does(worker: str, attempt: int) -> None:
        world.provider.exit(worker, Exit(1))

    world, _ = hosting(does)
    async with world.running(spec("w", module=MODULE)) as master:
        says(world, "w", OLD)
        [view] = await ask(master, "swap", workers=["w"])
        assert (view.refused, view.code) == ("it ended meanwhile", "")


async def test_silence_is_told_when_the_time_is_over() -> None:
    """The host may still do it."""
    world, _ = hosting(nothing)
    async with world.running(spec("w", module=MODULE)) as master:
        says(world, "w", OLD)
        answer = asyncio.ensure_future(ask(master, "swap", workers=["w"], timeout=7.0))
        await settle()
        await world.clock.run(6.9)
        assert not answer.done()
        await world.clock.run(0.2)
        assert [view.refused for view in await answer] == ["no answer within 7s; it may still come"]


@pytest.mark.parametrize(
    ("fields", "report", "why"),
    [
        ({}, None, "it runs no module"),
        ({"module": MODULE, "package": "echo:1.0"}, None, "its code is that of the package echo:1.0"),
        ({"module": MODULE, "enabled": False}, None, "it is registered"),
        ({"module": MODULE}, None, "it is not ready"),
        ({"module": MODULE}, Report(healthy=True), "its code belongs to the program that runs it"),
    ],
)
async def test_what_can_t_take_new_code_is_refused_before_anyone_is_asked(
    fields: dict[str, Any], report: Report | None, why: str
) -> None:
    """Also when only the last of several can't."""
    world, asked = hosting(nothing)
    async with world.running(spec("well", module=MODULE), spec("w", **fields)) as master:
        says(world, "well", OLD)
        if report is not None:
            says(world, "w", report)
        with pytest.raises(Refused, match=f"w can't take new code: {why}"):
            await ask(master, "swap", workers=["well", "w"])
        assert asked == []
