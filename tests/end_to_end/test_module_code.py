"""The code of modules within a living master: each worker's own, and as it is when the worker starts."""

from pathlib import Path

from beeyard.domain.module import ModuleSpec
from beeyard.domain.spec import WorkerSpec
from beeyard.domain.values import WorkerId
from tests.yard import Yard, eventually


def service(folder: Path, word: str) -> WorkerSpec:
    """A worker whose module says this word when it starts, and another part of whose code says which."""
    folder.mkdir(exist_ok=True)
    (folder / "part.py").write_text(f"WORD = {word!r}\n")
    (folder / "service.py").write_text(
        "from part import WORD\n"
        "from beeyard.sdk import Module\n"
        "class Service(Module):\n"
        "    async def initialize(self, context): ...\n"
        "    async def start(self): print(WORD)\n"
        "    async def stop(self): ...\n"
    )
    return WorkerSpec(
        id=WorkerId(folder.name), provider="module", run={}, module=ModuleSpec("service:Service", str(folder))
    )


def heard(yard: Yard, worker: str) -> list[str]:
    """Its words so far."""
    return yard.log(worker).decode().split()


def test_new_code_runs_from_the_next_start_on(fresh_yard: Yard, tmp_path: Path) -> None:
    """In the same master, beside another worker whose module has the same name, and which goes on."""
    fresh_yard.apply(service(tmp_path / "one", "old"), service(tmp_path / "two", "other"))
    fresh_yard.running("one", "two")
    master = fresh_yard.pid("master")
    service(tmp_path / "one", "new")
    fresh_yard.ask("restart", workers=["one"])
    eventually(lambda: heard(fresh_yard, "one") == ["old", "new"], "the new word")
    eventually(lambda: heard(fresh_yard, "two") == ["other"], "the other word")
    assert fresh_yard.running("one", "two")["two"]["attempt"] == 1
    assert fresh_yard.pid("master") == master
