"""What every provider promises of attempts that are in no record: they are listed with their age, to whoever owns them,
and end and go although nobody attached to them. What another owner marked is not there at all.
"""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest

from beeyard.domain.errors import Unavailable
from beeyard.domain.messages import Handle
from beeyard.domain.spec import StopStep, WorkerSpec
from beeyard.domain.values import Duration
from beeyard.ports.provider import Owned, Provider
from tests.contract.benches import bench
from tests.kube.bench import Bench
from tests.kube.server import Server
from tests.yard import PATIENCE

STEP = StopStep(wait=Duration(5.0))
SLACK = 60.0
"""Seconds that the clock of an engine or a cluster may be wrong by."""


class Running(Protocol):
    """A bench, whatever it is of."""

    @property
    def provider(self) -> Provider: ...

    def spec(self, script: str, name: str) -> WorkerSpec: ...

    async def another_owner(self) -> None: ...


@asynccontextmanager
async def host(provider: str, way: str, folder: Path) -> AsyncIterator[Sequence[Running]]:
    """Two owners on this host, or at one engine."""
    async with bench(provider, way, folder / "ours") as ours, bench(provider, way, folder / "theirs") as theirs:
        yield [ours, theirs]


@asynccontextmanager
async def pods(folder: Path) -> AsyncIterator[Sequence[Running]]:
    """Two owners in one namespace."""
    async with Server() as server:
        made: list[Bench] = []
        for name in ("ours", "theirs"):
            (folder / name).mkdir()
            made.append(Bench(folder / name, server))
        yield made
        for one in made:
            await one.end()


PAIRS: dict[str, Callable[[Path], AbstractAsyncContextManager[Sequence[Running]]]] = {
    "process": partial(host, "process", "born"),
    "docker": partial(host, "docker", "engine"),
    "kubernetes": pods,
}
MARKS = {"docker": [pytest.mark.needs_docker]}


@pytest.fixture(params=[pytest.param(name, marks=MARKS.get(name, [])) for name in PAIRS])
async def owners(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Sequence[Running]]:
    """Ours, and another one in the same place."""
    async with PAIRS[request.param](tmp_path) as made:
        yield made


async def launched(on: Running) -> Handle:
    """Its attempt 3 runs."""
    return await on.provider.launch(on.spec("exec sleep 1000", "w"), 3, {})


async def listed(on: Running, until: bool) -> list[Owned]:
    """All it owns, once any of that runs, or none does."""
    end = time.monotonic() + PATIENCE
    while True:
        found = await on.provider.list_owned()
        if any(owned.alive for owned in found) == until:
            return found
        assert time.monotonic() < end, f"never: {found}"


@pytest.mark.parametrize("way", ["terminate", "kill"])
async def test_what_nobody_attached_to_is_listed_ends_and_goes(owners: Sequence[Running], way: str) -> None:
    """By an owner that has no record of it; the other one's, of the same name, goes on."""
    before = time.time()
    for owner in owners:
        await launched(owner)
    ours, theirs = owners
    await ours.another_owner()
    [owned] = await listed(ours, until=True)
    assert (owned.worker, owned.attempt) == ("w", 3)
    assert owned.since is not None
    assert before - SLACK < owned.since < time.time() + SLACK
    if way == "terminate":
        await ours.provider.terminate("w", 3, STEP, 1)
        await ours.provider.terminate("w", 3, STEP, 1)
    else:
        await ours.provider.kill("w", 3)
    await listed(ours, until=False)
    for _ in range(2):
        await ours.provider.destroy("w", 3)
    await ours.provider.release("w")
    end = time.monotonic() + PATIENCE
    while await ours.provider.list_owned():
        assert time.monotonic() < end
    [left] = await theirs.provider.list_owned()
    assert left.alive


async def test_a_cluster_that_is_away_is_not_taken_for_one_where_nothing_runs(tmp_path: Path) -> None:
    """By the next owner as well, who knows where to look."""
    async with Server() as server:
        on = Bench(tmp_path, server)
        await launched(on)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await on.provider.list_owned()
        await on.another_owner()
    await on.end()
