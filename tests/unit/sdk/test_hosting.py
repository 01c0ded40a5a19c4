"""One attempt of a module, from its making to its end, on a loop that is the test's own."""

import asyncio
import logging
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, ClassVar

import msgspec
import pytest

from beeyard.sdk import Context, Info, Module, Report, hosting
from beeyard.sdk.code import Code
from beeyard.sdk.hosting import Ended, Hosting
from beeyard.sdk.module import Factory
from beeyard.sdk.run import lived
from beeyard.sdk.terms import Terms

LONG = 30.0
"""Seconds: no measure, only an end to waiting."""


Does = Callable[[Any], Awaitable[Any]]


class Voice:
    """Writes down what it hears, and calls `heard` after each word."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.last = Report()
        self.heard: Callable[[], None] = lambda: None

    def ready(self, report: Report) -> None:
        self.words.append("ready")
        self.report(report)

    def report(self, report: Report) -> None:
        self.last = report
        self.heard()

    def stopping(self) -> None:
        self.words.append("stopping")
        self.heard()


class Told(Module[Any]):
    """A module that writes down what is asked of it. A test sets what else it does."""

    began: ClassVar[Does | None] = None
    ended: ClassVar[Does | None] = None
    well: ClassVar[Does | None] = None

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.begun = asyncio.Event()

    async def initialize(self, context: Context[Any]) -> None:
        self.context = context
        self.calls.append("initialize")

    async def start(self) -> None:
        self.calls.append("start")
        self.begun.set()
        if (does := type(self).began) is not None:
            await does(self)

    async def stop(self) -> None:
        self.calls.append("stop")
        if (does := type(self).ended) is not None:
            await does(self)

    async def healthy(self) -> bool:
        does = type(self).well
        answer: bool = True if does is None else await does(self)
        return answer


def told(**does: Does) -> Told:
    """One whose `began`, `ended` or `well` is this."""
    made: Told = type("Doing", (Told,), does)()
    return made


class Stage:
    """One attempt on a loop of its own, which runs while the test waits for something."""

    def __init__(self, make: Factory, **more: Any) -> None:
        self.voice = Voice()
        terms = Terms("m:M", "w", **{"period": 0.01, "timeout": LONG, "start_timeout": LONG, **more})
        self.hosting = Hosting(Code(make), terms, self.voice, logging.getLogger("w"))
        self.loop = asyncio.new_event_loop()
        self.attempt = self.loop.create_task(self.hosting.run())

    def until(self, look: Callable[[Report], bool]) -> Report:
        """The first report of which this is true."""
        seen = self.loop.create_future()

        def heard() -> None:
            if look(self.voice.last) and not seen.done():
                seen.set_result(None)

        self.voice.heard = heard
        heard()
        self.loop.run_until_complete(seen)
        return self.voice.last

    def ready(self) -> None:
        self.until(lambda report: "ready" in self.voice.words)

    def over(self) -> Ended:
        return self.loop.run_until_complete(self.attempt)

    def stopped(self) -> Ended:
        self.hosting.stop()
        return self.over()


@pytest.fixture
def staged() -> Iterator[type[Stage]]:
    """Makes stages whose loops are closed at the end."""
    made: list[Stage] = []

    class Kept(Stage):
        def __init__(self, make: Factory, **more: Any) -> None:
            super().__init__(make, **more)
            made.append(self)

    yield Kept
    for each in made:
        each.loop.run_until_complete(each.hosting.cancel_all(LONG))
        each.loop.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not let itself be ended is left behind soon."""
    monkeypatch.setattr(hosting, "HALFWAY", 0.05)


async def for_ever(module: Told) -> None:
    await asyncio.Event().wait()


async def stubborn(module: Told) -> None:
    while True:
        try:
            await asyncio.sleep(LONG)
        except asyncio.CancelledError:
            if getattr(module, "enough", False):
                raise


async def fails(module: Told) -> None:
    raise OSError("no such port")


def test_a_module_is_started_is_asked_and_is_stopped_once_each(staged: type[Stage]) -> None:
    """Its stop is its own `stop`, it takes as long as that does, and a second one changes nothing."""
    module = told()
    stage = staged(lambda: module)
    stage.until(lambda report: report.healthy is True)
    stage.hosting.stop()
    assert stage.stopped() == Ended()
    assert module.calls == ["initialize", "start", "stop"]
    assert stage.voice.words == ["ready", "stopping"]


def test_a_start_that_serves_is_ended_and_named(staged: type[Stage], impatient: None) -> None:
    """It is not taken for a start: what runs for long belongs into `context.run`. Nothing of it is left running."""
    module = told(began=for_ever)
    stage = staged(lambda: module, start_timeout=0.05)
    assert stage.over() == Ended(1, "start() did not return within 0.05s: it has to return once it is ready")
    assert module.calls[-1] == "stop"
    assert stage.voice.words == []
    assert asyncio.all_tasks(stage.loop) == set()


def test_a_start_that_fails_half_way_is_stopped_with_its_reason(staged: type[Stage]) -> None:
    """What it had opened it can close; the reason is its error."""
    module = told(began=fails)
    assert staged(lambda: module).over() == Ended(1, "did not start: OSError: no such port")
    assert module.calls == ["initialize", "start", "stop"]


def test_a_stop_during_the_start_ends_cleanly(staged: type[Stage]) -> None:
    """The start is cancelled, and the module stopped."""
    module = told(began=for_ever)
    stage = staged(lambda: module)
    waiter = stage.loop.create_task(module.begun.wait())
    stage.loop.run_until_complete(waiter)
    assert stage.stopped() == Ended()
    assert module.calls[-1] == "stop"
    assert stage.voice.words == ["stopping"]


def test_a_start_that_takes_no_cancellation_is_left_behind(
    staged: type[Stage], impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    """The attempt ends all the same, and the log says who is left."""
    module = told(began=stubborn)
    stage = staged(lambda: module, start_timeout=0.05)
    assert stage.over().code == 1
    assert "its start does not let itself be cancelled" in caplog.text
    module.enough = True  # type: ignore[attr-defined]


@pytest.mark.parametrize("error", [OSError("still busy"), asyncio.CancelledError("a task of it")])
def test_a_stop_that_raises_is_an_end_with_a_reason(staged: type[Stage], error: BaseException) -> None:
    """Also when it awaits a task that it has cancelled, which is no cancellation of ours."""

    async def ended(module: Told) -> None:
        raise error

    stage = staged(lambda: told(ended=ended))
    stage.ready()
    assert stage.stopped() == Ended(1, f"did not stop cleanly: {type(error).__name__}: {error}")


@pytest.mark.parametrize("when", ["starting", "ready"])
def test_the_error_of_a_task_ends_the_module_at_once(staged: type[Stage], when: str) -> None:
    """Whatever happens after the start is seen: the reason is that error, and the module can still close things."""

    failing = asyncio.Event()

    async def serve(module: Told) -> None:
        await failing.wait()
        await fails(module)

    async def began(module: Told) -> None:
        module.context.run(serve(module))

    module = told(began=began)
    stage = staged(lambda: module)
    if when == "ready":
        stage.ready()
    failing.set()
    assert stage.over() == Ended(1, "a task of it failed: OSError: no such port")
    assert module.calls[-1] == "stop"
    assert "stopping" not in stage.voice.words


def test_an_error_while_it_stops_is_no_reason_but_is_told(
    staged: type[Stage], caplog: pytest.LogCaptureFixture
) -> None:
    """A server may say that it was closed: that is what was asked of it."""

    async def serve(module: Told) -> None:
        await module.context.stopping.wait()
        raise ConnectionError("closed")

    async def began(module: Told) -> None:
        module.served = module.context.run(serve(module), "server")  # type: ignore[attr-defined]

    async def ended(module: Told) -> None:
        await asyncio.wait([module.served])  # type: ignore[attr-defined]

    stage = staged(lambda: told(began=began, ended=ended))
    stage.ready()
    assert stage.stopped() == Ended()
    assert "server failed while the module stopped" in caplog.text


def test_a_task_that_nobody_waits_for_is_counted_and_ends_nothing(staged: type[Stage]) -> None:
    """Its error is in the report, and the module goes on."""

    async def began(module: Told) -> None:
        asyncio.ensure_future(fails(module))  # noqa: RUF006

    stage = staged(lambda: told(began=began))
    report = stage.until(lambda report: report.uncaught > 0)
    assert (report.uncaught, report.last) == (1, "OSError: no such port")
    assert stage.stopped() == Ended()


def test_a_task_that_takes_no_cancellation_is_left_behind_by_name(
    staged: type[Stage], impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    """A stop has an end."""

    async def began(module: Told) -> None:
        module.context.run(stubborn(module), "the stubborn one")

    module = told(began=began)
    stage = staged(lambda: module)
    stage.ready()
    assert stage.stopped() == Ended()
    assert "tasks that do not let themselves be cancelled: the stubborn one" in caplog.text
    module.enough = True  # type: ignore[attr-defined]


async def raises(module: Told) -> bool:
    raise OSError("no database")


async def says_no(module: Told) -> bool:
    return False


async def hangs(module: Told) -> bool:
    await asyncio.Event().wait()
    return True


async def says_much(module: Told) -> bool:
    return "unwell"  # type: ignore[return-value]


async def says_nothing(module: Told) -> bool:
    return None  # type: ignore[return-value]


async def cancels(module: Told) -> bool:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("well", "reason"),
    [
        (raises, "OSError: no database"),
        (says_no, "healthy() said no"),
        (hangs, "healthy() did not answer within 0.01s"),
        (cancels, "CancelledError"),
        (says_much, "healthy() has to say True or False, not 'unwell'"),
        (says_nothing, "healthy() has to say True or False, not None"),
    ],
)
def test_an_ill_module_is_asked_on(staged: type[Stage], well: Callable[[Told], Awaitable[bool]], reason: str) -> None:
    """Its answer is told with a reason, again and again; to end it is not ours."""
    stage = staged(lambda: told(well=well), timeout=0.01)
    first = stage.until(lambda report: report.healthy is False)
    assert first.reason == reason
    stage.until(lambda report: report.asked > first.asked)
    assert stage.stopped() == Ended()


def test_an_attempt_whose_health_cannot_be_told_ends(staged: type[Stage]) -> None:
    """Rather than to go on in silence, for which it would be blamed."""
    stage = staged(told)
    stage.ready()

    def heard() -> None:
        raise OSError("nobody there")

    stage.voice.heard = heard
    assert stage.over() == Ended(1, "its health could not be told: OSError: nobody there")


def test_what_it_registers_is_told_at_once(staged: type[Stage]) -> None:
    """A module has somebody to register with, however it is run; the last one of a name counts."""

    async def began(module: Told) -> None:
        module.context.register("api", "127.0.0.1:1")
        module.context.register("api", "127.0.0.1:2", "grpc")
        with pytest.raises(ValueError, match="all that a module offers has to fit into 16000 bytes"):
            module.context.register("much", "x" * 16_000)

    module = told(began=began)
    stage = staged(lambda: module, period=100 * LONG)
    report = stage.until(lambda report: "api" in report.offers)
    assert msgspec.to_builtins(report.offers) == {"api": {"protocol": "grpc", "address": "127.0.0.1:2"}}
    for call, arguments in ((module.context.unregister, ("api",)), (module.context.register, ("late", "127.0.0.1:3"))):
        thread = threading.Thread(target=call, args=arguments)
        thread.start()
        thread.join()
        stage.until(lambda report: "api" not in report.offers)
    stage.until(lambda report: "late" in report.offers)
    stage.stopped()


def test_every_attempt_is_a_module_of_its_own(staged: type[Stage]) -> None:
    """Two at once do not meet; one after a failed start or a failed stop begins from `initialize` again."""
    made: list[Told] = []

    def make() -> Told:
        made.append(told(**[{"began": fails}, {"ended": fails}, {}, {}][len(made)]))
        return made[-1]

    assert staged(make).over().code == 1
    second = staged(make)
    second.ready()
    assert second.stopped().code == 1
    both = [staged(make), staged(make)]
    for stage in both:
        stage.ready()
    assert [stage.voice.last.tasks for stage in both] == [0, 0]
    both[0].hosting.stop()
    both[0].until(lambda report: "stopping" in both[0].voice.words)
    assert "stopping" not in both[1].voice.words
    assert all(module.calls[:2] == ["initialize", "start"] for module in made)
    both[1].hosting.stop()
    assert [stage.over() for stage in both] == [Ended(), Ended()]


class Inner(msgspec.Struct, frozen=True):
    shallow: int = 0


class Config(msgspec.Struct):
    size: int
    names: list[str] = []
    inner: Inner = Inner()


class Typed(Told):
    config_type: ClassVar[type[msgspec.Struct] | None] = Config


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"size": "many"}, "config.size: expected `int`, got `str`"),
        ({"size": 1, "names": ["a", None]}, "config.names[1]: expected `str`, got `null`"),
        ({}, "config: object missing required field `size`"),
        ({"size": 1, "sise": 1}, "config: it has no field 'sise': did you mean size?"),
        ({"size": 1, "inner": {"deep": 1}}, "config.inner: it has no field 'deep': there is shallow"),
    ],
)
def test_a_wrong_configuration_names_its_field(staged: type[Stage], config: dict[str, Any], reason: str) -> None:
    """Before anything of the module has run."""
    module = Typed()
    assert staged(lambda: module, config=config).over() == Ended(1, reason)
    assert module.calls == []


def test_a_configuration_is_read_as_its_type(staged: type[Stage]) -> None:
    """A number may be written as a text, as a variable's value is."""
    module = Typed()
    stage = staged(lambda: module, config={"size": "3"})
    stage.ready()
    assert module.context.config == Config(3)
    stage.stopped()


class Bare:
    """Not a module."""

    async def start(self) -> None: ...


class Strange(Told):
    def info(self) -> Info:
        return {"name": "strange"}  # type: ignore[return-value]


class Hasty(Told):
    def start(self) -> None:  # type: ignore[override]
        """Done at once, so that nobody can wait for it."""


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Hasty, "start() has to be an `async def`"),
        (Bare, "m:M made a Bare, which has no initialize, stop, healthy, info"),
        (Strange, "info() of Strange has to be an Info of at most 1000 bytes"),
        (lambda: 1 / 0, "could not be made: ZeroDivisionError: division by zero"),
        (lambda: sys.exit("no licence"), "it called sys.exit('no licence')"),
    ],
)
def test_what_is_no_module_is_refused_in_words(staged: type[Stage], make: Factory, reason: str) -> None:
    """Whatever its factory does."""
    assert staged(make).over() == Ended(1, reason)


@pytest.mark.parametrize("at", ["began", "task", "well", "ended"])
def test_sys_exit_gives_its_code_wherever_it_is_called(at: str) -> None:
    """The module is stopped all the same."""

    async def leave(module: Told) -> None:
        sys.exit(7)

    async def began(module: Told) -> None:
        module.context.run(leave(module))

    module = told(**({"began": began} if at == "task" else {at: leave}))
    voice = type("Mute", (), dict.fromkeys(("ready", "report", "stopping"), lambda *words: None))()
    loop = asyncio.new_event_loop()
    attempt = Hosting(Code(lambda: module), Terms("m:M", "w", period=0.01), voice, logging.getLogger("w"))
    if at == "ended":
        loop.call_later(0.05, attempt.stop)
    try:
        assert lived(loop, attempt) == Ended(7, "it called sys.exit(7)")
    finally:
        loop.close()
    assert module.calls == ["initialize", "start", "stop"]
