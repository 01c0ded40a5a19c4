"""What one module needs of another: who waits is told that the other one failed, and begins once it is mended."""

from pathlib import Path

from beeyard.domain.module import ModuleSpec
from beeyard.domain.spec import WorkerSpec
from beeyard.domain.values import WorkerId
from tests.end_to_end.workers import NEVER
from tests.yard import Yard, eventually

CODE = """
from pathlib import Path

from beeyard.sdk import Module


class Database(Module):
    async def initialize(self, context):
        if not Path(context.config["file"]).exists():
            raise RuntimeError("no file")


class Web(Module):
    pass
"""


def test_who_needs_a_module_that_failed_is_told_so(fresh_yard: Yard, tmp_path: Path) -> None:
    """In its own note, with how the other one is."""
    (tmp_path / "code.py").write_text(CODE)
    config = {"file": str(tmp_path / "data")}
    database = ModuleSpec("code:Database", str(tmp_path), config)
    fresh_yard.apply(
        WorkerSpec(WorkerId("db"), "module", {}, module=database, restart=NEVER),
        WorkerSpec(
            WorkerId("web"),
            "module",
            {},
            module=ModuleSpec("code:Web", str(tmp_path)),
            depends_on={WorkerId("db"): "ready"},
        ),
    )
    told = "waits for db to be ready (it is stopped: exit code 1; it will not come by itself)"
    eventually(lambda: fresh_yard.ps()["web"]["note"] == told, told)
    (tmp_path / "data").touch()
    fresh_yard.ask("start", workers=["db"])
    fresh_yard.running("db", "web")
