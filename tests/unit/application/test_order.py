"""Order in random graphs of workers to which random things happen: a master among fakes, its steps watched."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from beeyard.application.master import Master
from beeyard.domain import lifecycle
from beeyard.domain.messages import Event, Exit, Now
from beeyard.domain.restart import Outside
from beeyard.domain.spec import Backoff, Condition, Need, ProbeSpec, RestartPolicy, StopStep, WorkerSpec
from beeyard.domain.values import Duration, SignalNumber
from beeyard.domain.worker import Down, Running, Starting, Stopping, Worker
from beeyard.ports.prober import Result
from tests.fakes.clock import settle
from tests.fakes.world import World, spec

UNTIRING = RestartPolicy(policy="always", backoff=Backoff(delay=Duration(1.0), max_retries=None), jitter=0.0)
ONCE = RestartPolicy(policy="never")
READY = {"readiness": ProbeSpec("tcp", target="80", period=Duration(0.5), failures=1)}
STOP = (StopStep(SignalNumber(15), Duration(3.0)),)
NAMES = "abcdef"


@st.composite
def graphs(draw: st.DrawFn, conditions: tuple[Condition, ...], policies: tuple[RestartPolicy, ...]) -> list[WorkerSpec]:
    """Each worker needs some of those before it, for any reason; told in any order."""
    needs = st.builds(Need, st.sampled_from(conditions), st.sampled_from([True, True, False]))
    count = draw(st.integers(2, len(NAMES)))
    specs = [
        spec(
            name,
            depends_on=draw(st.dictionaries(st.sampled_from(NAMES[:number]), needs, min_size=1)) if number else {},
            probes=draw(st.sampled_from([{}, READY])),
            restart=draw(st.sampled_from(policies)),
            stop=STOP,
        )
        for number, name in enumerate(NAMES[:count])
    ]
    return draw(st.permutations(specs))


ACTS = ("end well", "end badly", "restart", "stop", "start", "ready", "unready", "wait")
HAPPENINGS = st.lists(st.tuples(st.sampled_from(ACTS), st.sampled_from(NAMES), st.sampled_from([0.0, 0.2, 2.0])))


async def _happen(world: World, master: Master, act: str, name: str) -> None:
    if name not in master.supervisors:
        return
    match act:
        case "end well" | "end badly" if any(worker == name for worker, _ in world.provider.running()):
            world.provider.exit(name, Exit(code=0 if act == "end well" else 1))
        case "restart":
            await master.restart_worker(name)
        case "stop":
            await master.stop_worker(name)
        case "start":
            await master.start_worker(name)
        case "ready" | "unready":
            world.prober.answer = Result(act == "ready", "" if act == "ready" else "no")


@contextmanager
def _watched(look: Callable[[Worker, Worker, Event], None]) -> Iterator[None]:
    """Every step that any worker takes is looked at, at its moment."""
    step = lifecycle.step

    def watched(worker: Worker, event: Event, now: Now, outside: Outside) -> lifecycle.Step:
        after, effects = step(worker, event, now, outside)
        look(worker, after, event)
        return after, effects

    with mock.patch.object(lifecycle, "step", watched):
        yield


def _holds(other: Worker, condition: Condition) -> bool:
    phase = other.phase
    if condition == "completed":
        return isinstance(phase, Down) and other.death is not None and other.death.exit.code == 0
    if condition == "started" or not isinstance(phase, Running):
        return isinstance(phase, Running)
    return phase.ready_since is not None


def _play(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


async def _rest(world: World, seconds: int = 40) -> None:
    for _ in range(seconds):
        await world.clock.run(1.0)
        await settle()


@settings(max_examples=150)
@given(
    graphs(("started", "ready", "healthy", "completed"), (UNTIRING, ONCE)), HAPPENINGS, st.sets(st.sampled_from(NAMES))
)
def test_nothing_starts_too_early_or_is_stopped_too_early(
    specs: list[WorkerSpec], happenings: list[tuple[str, str, float]], stubborn: set[str]
) -> None:
    """Whatever happens: at a start every condition holds, and going down none ends that one which lives needs."""
    wrong: list[str] = []

    async def play() -> None:
        world = World()
        world.provider.stubborn |= stubborn
        master = world.master()

        def look(before: Worker, after: Worker, event: Event) -> None:
            workers = {name: found.worker for name, found in master.supervisors.items()}
            if isinstance(after.phase, Starting) and not isinstance(before.phase, Starting):
                for name, need in after.spec.needs.items():
                    if not _holds(workers[name], need.condition):
                        wrong.append(f"{after.id} starts though {name} is not {need.condition}")
            if after.wanted.held and isinstance(after.phase, Stopping) and not isinstance(before.phase, Stopping):
                for other in workers.values():
                    if after.id in other.spec.depends_on and isinstance(other.phase, Starting | Running | Stopping):
                        wrong.append(f"{after.id} is stopped though {other.id} lives")

        with _watched(look):
            async with master.running():
                await master.add_workers(specs)
                for act, name, pause in happenings:
                    await _happen(world, master, act, name)
                    await world.clock.run(pause)
                going = asyncio.ensure_future(master.shut_down(60))
                while not going.done():
                    await world.clock.run(1.0)
                assert going.result() == []
                assert world.provider.running() == []

    _play(play())
    assert wrong == []


def _train(specs: list[WorkerSpec], first: str) -> set[str]:
    """All that are restarted with this one, near or far."""
    found = {first}
    for _ in specs:
        found |= {one.id for one in specs if any(need.restart and name in found for name, need in one.needs.items())}
    return found


@settings(max_examples=150)
@given(
    graphs(("started", "ready", "healthy"), (UNTIRING,)),
    st.lists(st.tuples(st.sampled_from(NAMES), st.booleans()), min_size=1, max_size=3),
    st.sets(st.sampled_from(NAMES)),
)
def test_one_change_restarts_everything_in_its_train_once(
    specs: list[WorkerSpec], changes: list[tuple[str, bool]], stubborn: set[str]
) -> None:
    """Restarted by an operator or ended by itself; however many ways lead there, and however slowly one stops."""

    async def play() -> None:
        world = World()
        world.provider.stubborn |= stubborn
        async with world.running(*specs) as master:
            await _rest(world)
            for name, ended in changes:
                if name not in master.supervisors:
                    continue
                before = {one: found.worker.attempt for one, found in master.supervisors.items()}
                await _happen(world, master, "end badly" if ended else "restart", name)
                await _rest(world)
                after = {one: found.worker.attempt for one, found in master.supervisors.items()}
                train = _train(specs, name)
                assert after == {one: attempt + (one in train) for one, attempt in before.items()}
                await _rest(world)
                assert after == {one: found.worker.attempt for one, found in master.supervisors.items()}, "at rest"

    _play(play())
