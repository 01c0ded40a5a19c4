"""New code takes over from old within one attempt, or does not, whatever step it fails at."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, Protocol

import pytest

from beeyard.sdk import Context, Module, Report, direct, hosting
from beeyard.sdk.code import Code
from beeyard.sdk.hosting import Ended, Hosting
from beeyard.sdk.instance import owned
from beeyard.sdk.terms import Terms
from beeyard.sdk.words import Unfit

LONG = 30.0
"""Seconds: no measure, only an end to waiting."""


class Word(Protocol):
    """What is called directly."""

    async def word(self) -> str: ...


class Voice:
    """Keeps what it hears last, and calls `heard` after each word."""

    def __init__(self) -> None:
        self.last = Report()
        self.is_ready = False
        self.heard: Callable[[], None] = lambda: None

    def ready(self, report: Report) -> None:
        self.is_ready = True
        self.report(report)

    def report(self, report: Report) -> None:
        self.last = report
        self.heard()

    def stopping(self) -> None:
        self.heard()


class Service(Module[Any]):
    """Writes down its life in `told`, offers its word, and does what a test has it do."""

    def __init__(self, told: list[str], name: str) -> None:
        self.told, self.name = told, name
        self.waits = asyncio.Event()

    async def initialize(self, context: Context[Any]) -> None:
        self.context = context

    async def start(self) -> None:
        self.told.append(f"{self.name} begins")
        self.context.offer(Word, self)
        self.context.register("name", self.name, "tcp")
        self.context.run(asyncio.sleep(1000), name=f"endless {self.name}")

    async def word(self) -> str:
        await self.waits.wait()
        return self.name

    async def stop(self) -> None:
        self.told.append(f"{self.name} stops")


class Stage:
    """One attempt of a service called old, on a loop that runs while the test waits for something."""

    def __init__(self, **more: Any) -> None:
        self.voice, self.told, self.released = Voice(), list[str](), list[str]()
        terms = Terms("m:M", "w", **{"period": 0.01, "timeout": LONG, "start_timeout": LONG, "master": "here", **more})
        self.loop = asyncio.new_event_loop()
        self.old = self.wait(self._made())
        self.hosting = Hosting(self.code(lambda: self.old), terms, self.voice, logging.getLogger("w"))
        self.attempt = self.loop.create_task(self.hosting.run())
        self.until(lambda: self.voice.is_ready)

    async def _made(self) -> Service:
        return Service(self.told, "old")

    def wait(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def until(self, look: Callable[[], object]) -> None:
        """Run until this is true after a report, of which there are many."""
        seen = self.loop.create_future()
        self.voice.heard = lambda: seen.set_result(None) if look() and not seen.done() else None
        self.voice.heard()
        self.wait(seen)

    def code(self, make: Callable[[], Any]) -> Code:
        """Code that makes this."""
        return Code(make, f"digest {len(self.released)}", lambda: self.released.append(self.voice.last.code))

    def begin(self, kind: type[Service], name: str = "new") -> None:
        """Ask for one of this kind, and wait for nothing."""
        self.loop.call_soon(self.hosting.swap, lambda: self.code(lambda: kind(self.told, name)))

    def swap(self, load: Callable[[], Code]) -> Report:
        """The report that says what came of it."""
        self.loop.call_soon(self.hosting.swap, load)
        before = self.voice.last.swaps
        self.until(lambda: self.voice.last.swaps > before)
        return self.voice.last

    def swapped(self, kind: type[Service], name: str = "new") -> Report:
        return self.swap(lambda: self.code(lambda: kind(self.told, name)))

    def offered(self) -> list[Any]:
        """What can be called directly."""
        return [one._target for one in direct.offered("here", "w", "", "Word")]

    def over(self) -> Ended:
        ended: Ended = self.wait(self.attempt)
        return ended

    def stopped(self) -> Ended:
        self.hosting.stop()
        return self.over()


@pytest.fixture
def staged() -> Iterator[Callable[..., Stage]]:
    """Makes stages that are taken down at the end; nothing of them may be left."""
    made: list[Stage] = []

    def do(**more: Any) -> Stage:
        made.append(Stage(**more))
        return made[-1]

    yield do
    for stage in made:
        if not stage.attempt.done():
            stage.stopped()
        assert asyncio.all_tasks(stage.loop) == set()
        assert stage.offered() == []
        stage.loop.run_until_complete(stage.loop.shutdown_default_executor())
        stage.loop.close()


@pytest.fixture
def stage(staged: Callable[..., Stage]) -> Stage:
    """One attempt of a service called old."""
    return staged()


def tasks(stage: Stage) -> set[str]:
    """The endless tasks that run."""
    return {task.get_name() for task in asyncio.all_tasks(stage.loop) if task.get_name().startswith("endless")}


def test_new_code_takes_over_once_it_is_ready(stage: Stage) -> None:
    """Its offers replace the old ones, and the old one is stopped with all its tasks; then its code is let go."""
    report = stage.swapped(Service)
    assert (report.refused, report.swaps, report.offers["name"].address) == ("", 1, "new")
    assert stage.told == ["old begins", "new begins", "old stops"]
    assert tasks(stage) == {"endless new"}
    assert [one.name for one in stage.offered()] == ["new"]
    assert len(stage.released) == 1
    assert stage.stopped() == Ended()
    assert stage.told[3:] == ["new stops"]


def unfit() -> Code:
    """Code that can't be loaded."""
    raise Unfit("echo.py:1: invalid syntax")


def no_module() -> Any:
    """Makes something else."""
    return object()


def breaks() -> Any:
    """Makes nothing."""
    return 1 / 0


def exits() -> Code:
    """Code that exits while it is loaded."""
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("load", "why"),
    [
        (unfit, "echo.py:1: invalid syntax"),
        (exits, "it called sys.exit(3)"),
        (lambda: Code(no_module), "its code is not its own"),
        (lambda: Code(breaks, "digest"), "the new code did not start: ZeroDivisionError"),
        (lambda: Code(no_module, "digest"), "m:M made a object, which has no initialize"),
    ],
    ids=["unfit", "an exit", "no code of its own", "not made", "no module"],
)
def test_code_that_makes_no_module_leaves_all_as_it_was(stage: Stage, load: Callable[[], Code], why: str) -> None:
    """The old one goes on, and the report says why."""
    report = stage.swap(load)
    assert why in report.refused
    assert stage.told == ["old begins"]
    assert [one.name for one in stage.offered()] == ["old"]


class FailsEarly(Service):
    """In `initialize`."""

    async def initialize(self, context: Context[Any]) -> None:
        await super().initialize(context)
        raise RuntimeError("no disk")


class FailsLate(Service):
    """When all is begun."""

    async def start(self) -> None:
        await super().start()
        raise RuntimeError("no database")


class Exits(Service):
    """By `sys.exit`."""

    async def start(self) -> None:
        await super().start()
        raise SystemExit("no licence")


class Cancels(Service):
    """Its own start."""

    async def start(self) -> None:
        await super().start()
        raise asyncio.CancelledError


class FailsBeside(Service):
    """In a task, while it waits for that."""

    async def start(self) -> None:
        await super().start()
        self.context.run(self.fail())
        await self.waits.wait()

    async def fail(self) -> None:
        raise RuntimeError("no network")


class Ill(Service):
    """From the beginning."""

    async def healthy(self) -> bool:
        return False


class Slow(Service):
    """Never ready."""

    async def start(self) -> None:
        await super().start()
        await self.waits.wait()


@pytest.mark.parametrize(
    ("kind", "why", "patience"),
    [
        (FailsEarly, "the new code did not start: RuntimeError: no disk", LONG),
        (FailsLate, "the new code did not start: RuntimeError: no database", LONG),
        (Exits, "it called sys.exit('no licence')", LONG),
        (Cancels, "its start was cancelled from within", LONG),
        (FailsBeside, "a task of it failed: RuntimeError: no network", LONG),
        (Ill, "it is not healthy: healthy() said no", LONG),
        (Slow, "start() did not return within 0.3s: it has to return once it is ready", 0.3),
    ],
)
def test_one_that_does_not_become_ready_is_stopped_and_the_old_one_goes_on(
    staged: Callable[..., Stage], kind: type[Service], why: str, patience: float
) -> None:
    """Nothing of it is left, nobody ever found it, and better code takes over after it."""
    stage = staged(start_timeout=patience)
    report = stage.swapped(kind, "bad")
    assert (report.refused, report.offers["name"].address) == (why, "old")
    assert stage.told[-1] == "bad stops"
    assert "old stops" not in stage.told
    assert tasks(stage) == {"endless old"}
    assert [one.name for one in stage.offered()] == ["old"]
    assert stage.swapped(Service).refused == ""
    assert stage.told[-1] == "old stops"


def test_nobody_finds_the_new_one_before_it_is_ready(stage: Stage) -> None:
    """Neither by the report nor directly."""
    stage.begin(Slow, "slow")
    stage.until(lambda: "slow begins" in stage.told)
    assert (stage.voice.last.offers["name"].address, [one.name for one in stage.offered()]) == ("old", ["old"])


def test_a_stop_in_the_middle_ends_both(stage: Stage) -> None:
    """The one that never became ready as well."""
    stage.begin(Slow, "slow")
    stage.until(lambda: "slow begins" in stage.told)
    assert stage.stopped() == Ended()
    assert stage.told[2:] == ["slow stops", "old stops"]


def test_a_failure_of_the_old_one_in_the_middle_ends_both(stage: Stage) -> None:
    """It is the one that served."""
    stage.begin(Slow, "slow")
    stage.until(lambda: "slow begins" in stage.told)

    async def fail() -> None:
        raise RuntimeError("the disk is on fire")

    stage.loop.call_soon(lambda: stage.old.context.run(fail()))
    assert stage.over() == Ended(1, "a task of it failed: RuntimeError: the disk is on fire")
    assert stage.told[2:] == ["slow stops", "old stops"]


def test_a_failure_of_the_new_one_after_it_took_over_is_the_attempt_s(stage: Stage) -> None:
    """The old one is gone by then."""
    made: list[Service] = []

    class Kept(Service):
        async def start(self) -> None:
            await super().start()
            made.append(self)

    async def fail() -> None:
        raise RuntimeError("the disk is on fire")

    stage.swapped(Kept)
    stage.loop.call_soon(lambda: made[0].context.run(fail()))
    assert stage.over() == Ended(1, "a task of it failed: RuntimeError: the disk is on fire")


def test_a_second_one_that_is_asked_for_meanwhile_changes_nothing(stage: Stage) -> None:
    """There are never more than two instances."""
    stage.begin(Slow, "slow")
    stage.until(lambda: "slow begins" in stage.told)
    stage.begin(Service, "third")
    stage.stopped()
    assert "third begins" not in stage.told


def test_what_the_old_one_has_under_way_comes_to_its_end(stage: Stage) -> None:
    """A call that was made before is answered by the old one; one that is made after, by the new one."""
    loop = stage.loop
    [found] = direct.offered("here", "w", "", "Word")
    call = loop.run_in_executor(None, lambda: asyncio.run(found.call(found.contract.methods["word"], (), {})))
    stage.until(lambda: found._pending)
    stage.begin(Service)
    stage.until(lambda: "old stops" in stage.told)
    stage.old.waits.set()
    assert stage.wait(call) == "old"
    stage.until(lambda: stage.voice.last.swaps == 1)
    assert [one.name for one in stage.offered()] == ["new"]


def test_the_old_one_s_own_tasks_are_told_from_the_new_one_s(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that were begun past its context; what they don't finish is cancelled."""
    monkeypatch.setattr(hosting, "HALFWAY", 0.05)

    class Begins(Service):
        async def start(self) -> None:
            await super().start()
            self.task = asyncio.create_task(asyncio.sleep(1000), name=f"endless, by {self.name}")

    stage.swapped(Begins, "first")
    begun = [task for task in asyncio.all_tasks(stage.loop) if task.get_name() == "endless, by first"]
    assert len(begun) == 1
    stage.swapped(Begins, "second")
    assert begun[0].cancelled()
    assert tasks(stage) == {"endless second", "endless, by second"}


def test_new_code_starts_in_surroundings_of_its_own(stage: Stage) -> None:
    """Whatever the old one does when the order comes, as a signal may come at any moment."""
    doing = ContextVar[str]("doing", default="nothing")

    class Looks(Service):
        async def start(self) -> None:
            await super().start()
            self.told.append(f"doing {doing.get()}")

    async def healthy() -> bool:
        if doing.get() == "nothing":
            doing.set("what the old one does")
            stage.hosting.swap(lambda: stage.code(lambda: Looks(stage.told, "new")))
        return True

    stage.old.healthy = healthy
    stage.until(lambda: stage.voice.last.swaps == 1)
    assert "doing nothing" in stage.told


def test_what_the_old_one_began_on_another_loop_is_not_its_task(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It belongs to whoever was called there, and nobody may touch it from here."""
    monkeypatch.setattr(hosting, "HALFWAY", 0.05)
    other, called = asyncio.new_event_loop(), list[Any]()
    other.set_task_factory(owned)

    async def healthy() -> bool:
        if not called:
            called.append(asyncio.run_coroutine_threadsafe(asyncio.sleep(1000), other))
        return True

    stage.old.healthy = healthy
    stage.until(lambda: called)
    other.run_until_complete(asyncio.sleep(0))
    [task] = asyncio.all_tasks(other)
    assert stage.swapped(Service).refused == ""
    assert task.cancelling() == 0
    task.cancel()
    other.run_until_complete(asyncio.wait({task}))
    other.close()


def test_a_task_of_the_old_one_comes_to_its_end(stage: Stage) -> None:
    """As one that answers a request; it has a while for that after the stop."""
    answers: list[asyncio.Task[Any]] = []

    class Answers(Service):
        async def start(self) -> None:
            await super().start()
            answers.append(asyncio.create_task(self.word()))

        async def stop(self) -> None:
            await super().stop()
            asyncio.get_running_loop().call_later(0.01, self.waits.set)

    stage.swapped(Answers)
    stage.swapped(Service, "newer")
    assert answers[0].result() == "new"
