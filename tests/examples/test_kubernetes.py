"""examples/05-kubernetes as its README says, typed on the scripted cluster: all of it but what kubectl does."""

import asyncio
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import beeyard.adapters.providers.kubernetes as provider
from tests.examples.test_pages import Shell, Step, environ, follow, parts
from tests.kube.server import Server
from tests.yard import Yard

EXAMPLE = Path(__file__).parents[2] / "examples/05-kubernetes"
README = "examples/05-kubernetes/README.md"


class Served:
    """The scripted cluster, in a thread of its own."""

    def __init__(self, kubeconfig: Path) -> None:
        self.server = Server()
        self._kubeconfig = kubeconfig
        self._ready, self._over = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        assert self._ready.wait(30)
        return self.server

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(30)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with self.server:
            self._kubeconfig.write_text(json.dumps(self.server.kubeconfig()))
            self._ready.set()
            await self._over.wait()


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Yard]:
    """The example in a folder of its own, with a state folder beside it that nobody serves yet."""
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".beeyard"))
    made = Yard(tmp_path / "s")
    try:
        yield made
    finally:
        made.end()


@pytest.mark.slow
def test_the_example_can_be_typed_as_its_page_says(here: Yard, tmp_path: Path) -> None:
    """From `up` to `down`, which leaves no pod."""
    steps = [part for part in parts(README) if isinstance(part, Step)]
    assert len(steps) > 7
    with Served(tmp_path / "kubeconfig") as server:
        shell = Shell({**environ(here), "KUBECONFIG": str(tmp_path / "kubeconfig")}, tmp_path)
        try:
            for step in steps:
                follow(step, shell)
                assert shell.ended == 0, (step.where, step.command, shell.ended)
        finally:
            shell.end()
        assert server.cluster.objects == {"pods": {}, "jobs": {}, "secrets": {}}


def test_the_role_of_the_example_is_the_one_that_is_shipped() -> None:
    """Which a contract test compares with what is asked for."""
    shipped = Path(str(provider.__file__)).with_name("rbac.yaml")
    assert (EXAMPLE / "rbac.yaml").read_text() == shipped.read_text()
