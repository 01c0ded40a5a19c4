"""A provider that is not ours: registered by the program that embeds Beeyard, or installed beside it."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from msgspec import Struct

import beeyard
from beeyard.adapters.means import Means
from beeyard.adapters.providers import PROVIDERS
from beeyard.entrypoints import settings
from tests.fakes.provider import FakeProvider
from tests.yard import Yard, yard

ROOT = Path(__file__).parents[2]
PLUGIN = """\
from msgspec import Struct
from tests.fakes.provider import FakeProvider

class Section(Struct, frozen=True, omit_defaults=True):
    speed: int = 1

class Dreamer(FakeProvider):
    name = "dream"
    section = Section
    packaged = None
    hosted = None

    def __init__(self, means):
        super().__init__()
"""
POINTS = "[beeyard.providers]\ndream = dreaming:Dreamer\nbroken = dreaming:Nobody\n"


class Speed(Struct, frozen=True, omit_defaults=True):
    """What its worker file may say."""

    speed: int = 1


class Mine(FakeProvider):
    """Runs its workers in memory."""

    name = "mine"
    section = Speed
    packaged = None
    hosted = None

    def __init__(self, means: Means) -> None:
        super().__init__()


@pytest.fixture
def registered() -> Iterator[None]:
    """As a program does it, and not for the tests after this one."""
    beeyard.register_provider(Mine)
    yield
    del PROVIDERS["mine"]


@pytest.mark.usefixtures("registered")
async def test_a_registered_provider_runs_workers_as_ours_do(tmp_path: Path) -> None:
    """By the word in the worker file, and by the service; what its section does not have is an error."""
    file = tmp_path / "beeyard.yaml"
    file.write_text("workers: [{id: web, provider: mine, mine: {speed: 3}}]\n")
    [spec] = settings.load(str(file), environ={}, providers=PROVIDERS).workers
    assert (spec.provider, spec.run) == ("mine", {"speed": 3})
    async with beeyard.Master.open(str(tmp_path / "s")) as master:
        await master.add_worker(spec)
        assert await master.until(lambda: master.get_worker_state_with_diagnostics("web").ready, 10)
        config = beeyard.ProviderConfig.of("mine", "own")
        on = beeyard.WorkerManagementService(await beeyard.ProviderFactory(master).create_provider(config))
        made = await on.provision_worker("", 1, 64, run={"speed": 2}, steady=0)
        assert (made.provider, (await on.get_worker_status(made.id)).state) == ("mine", "running")
        with pytest.raises(beeyard.Invalid, match="the provider mine has no image"):
            await on.provision_worker("busybox", 1, 64)
    assert "mine" in beeyard.ProviderType.registered()


@pytest.mark.usefixtures("registered")
def test_a_name_is_taken_once() -> None:
    """The same provider twice is harmless; another one of its name, or of ours, is not."""
    beeyard.register_provider(Mine)
    for name in ("mine", "docker", "no name"):
        with pytest.raises(ValueError, match=name):
            beeyard.register_provider(cast(type[Mine], type("Other", (Mine,), {"name": name})))
    assert PROVIDERS["mine"] is Mine


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Yard]:
    """A Beeyard beside which there is one that works and one that does not."""
    folder = tmp_path / "site"
    (folder / "dreaming-1.0.dist-info").mkdir(parents=True)
    (folder / "dreaming-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: dreaming\nVersion: 1.0\n")
    (folder / "dreaming-1.0.dist-info" / "entry_points.txt").write_text(POINTS)
    (folder / "dreaming.py").write_text(PLUGIN)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(ROOT)]))
    with yard(tmp_path / "s") as made:
        yield made


async def test_an_installed_provider_is_there_in_the_daemon(installed: Yard) -> None:
    """By its entry point; one that can't be loaded is said, and nothing else suffers from it."""
    installed.apply(beeyard.WorkerSpec(id=beeyard.WorkerId("web"), provider="dream", run={"speed": 2}))
    await asyncio.to_thread(installed.running, "web")
    async with beeyard.AsyncClient(state_dir=installed.paths.state) as client:
        provider = await beeyard.ProviderFactory(client).create_provider(beeyard.ProviderConfig.of("dream", "d"))
        made = await provider.create_worker("other", "", 1, 64, run={"speed": 3}, steady=0)
        assert (made.provider, made.status.state) == ("dream", "running")
    assert "the provider broken of dreaming:Nobody is not to be had" in installed.said()
