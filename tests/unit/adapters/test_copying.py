"""Lines on their way into a worker's own log: nothing lost and nothing twice, whatever clocks do and owners leave."""

import asyncio
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest

from beeyard.adapters import copying
from beeyard.adapters.copying import STREAMS, Copying, Desk
from beeyard.adapters.ledger import Ledger, Page
from beeyard.domain.spec import WorkerSpec
from beeyard.domain.values import WorkerId
from tests.fakes.pipes import Pipes

SPEC = WorkerSpec(id=WorkerId("web"), provider="docker", run={"image": "x"})
BIG = 100_000
"""More than a pipe holds."""


def at(second: int) -> str:
    """A time of a log."""
    return f"2026-01-02T03:04:{second:02}.000000000Z"


@pytest.fixture
def pipes(tmp_path: Path) -> Iterator[Pipes]:
    """Those of one worker."""
    made = Pipes(tmp_path)
    yield made
    made.close()


async def begun(pipes: Pipes) -> Copying:
    """The copying of the first attempt, by its next owner."""
    desk = Desk(pipes.client, Ledger(pipes.paths.containers))
    await desk.begin(SPEC, 1)
    made = Copying(desk, "web", 1)
    await made.find()
    made.begin(*STREAMS)
    return made


async def test_a_clock_that_steps_back_costs_no_line(pipes: Pipes) -> None:
    """Older ones are passed over where lines come again, until a new one comes; what goes on is never had before."""
    one = await begun(pipes)
    await one.take([("stdout", at(5), b"a\n"), ("stdout", at(5), b"b\n"), ("stdout", at(1), b"c\n")])
    one.begin("stdout")
    again = [("stdout", at(1), b"c\n"), ("stdout", at(5), b"a\n"), ("stdout", at(5), b"b\n")]
    await one.take([*again, ("stdout", at(6), b"d\n"), ("stdout", at(2), b"e\n"), ("stdout", at(6), b"f\n")])
    one.close()
    assert pipes.logged("web") == b"a\nb\nc\nd\ne\nf\n"


async def test_what_is_noted_was_written(pipes: Pipes, monkeypatch: pytest.MonkeyPatch) -> None:
    """One stream waits for room in its pipe while the other one is through: the next owner cuts nothing of either."""
    monkeypatch.setattr(copying, "NOTED", 0.0)
    one = await begun(pipes)
    noted: list[Page] = []
    monkeypatch.setattr(Ledger, "write", lambda self, worker, attempt, page: noted.append(deepcopy(page)))
    big = asyncio.create_task(one.take([("stdout", at(1), b"x" * BIG + b"\n")]))
    small = asyncio.create_task(one.take([("stderr", at(1), b"y\n")]))
    await _pumped(pipes, small)
    await _pumped(pipes, big)
    one.close()
    monkeypatch.undo()
    Ledger(pipes.paths.containers).write("web", 1, noted[0])  # As if it had died before it noted anything else.
    two = await begun(pipes)
    await two.take([("stdout", at(1), b"x" * BIG + b"\n"), ("stdout", at(2), b"z" * 50_000 + b"\n")])
    two.close()
    assert len(pipes.logged("web")) == BIG + 1 + 50_001


async def _pumped(pipes: Pipes, task: "asyncio.Task[None]") -> None:
    async with asyncio.timeout(10):
        while not task.done():
            await asyncio.sleep(0.001)
            pipes.pump()
    await task
