"""What keeps WebAssembly from running, found without running it; what a package supplies; how a command waits."""

import sys
from pathlib import Path
from typing import Any, cast

import pytest

from beeyard.adapters.host.launcher import LauncherClient
from beeyard.adapters.means import Means
from beeyard.adapters.providers.wasm.provider import INSTALL, WasmProvider
from beeyard.domain.errors import Refused, Rejected
from beeyard.domain.module import ModuleSpec
from beeyard.domain.packages import Manifest, ProcessEntry
from beeyard.domain.spec import Endpoint, ProbeSpec, WorkerSpec
from beeyard.domain.supply import Equipment
from beeyard.domain.values import WorkerId
from tests.fakes.invitations import FakeInvitations
from tests.fakes.notify import FakeNotices
from tests.fakes.secrets import FakeSecrets
from tests.wasm import program


class NoLauncher:
    """Is there, and is not asked."""

    def __init__(self) -> None:
        self.on_greeted: list[object] = []


@pytest.fixture
async def provider() -> WasmProvider:
    """One that launches nothing."""
    return WasmProvider(Means(cast(LauncherClient, NoLauncher()), FakeSecrets(), FakeNotices(), FakeInvitations()))


def spec(package: str = "", more: dict[str, Any] | None = None, **run: Any) -> WorkerSpec:
    """A worker with this section."""
    return WorkerSpec(id=WorkerId("w"), provider="wasm", run=run, package=package, **(more or {}))


async def problems(provider: WasmProvider, wanted: WorkerSpec, folder: Path) -> list[str]:
    """In words, without the folder."""
    return [str(problem).replace(f"{folder}/", "") for problem in provider.check(wanted)]


async def test_files_that_are_not_there_or_no_webassembly_are_found(provider: WasmProvider, tmp_path: Path) -> None:
    """A text is taken at its name, a binary at its first letters."""
    (tmp_path / "a.wasm").write_bytes(b"\0asm\1\0\0\0")
    (tmp_path / "b.wasm").write_bytes(b"\x7fELF")
    for module, wrong in {
        "a.wasm": [],
        program(tmp_path, "hello"): [],
        "b.wasm": ["run.module: found b.wasm, which is none, expected a file of WebAssembly, or a .wat as text"],
        "c.wasm": ["run.module: found c.wasm, no such file, expected a file of WebAssembly, or a .wat as text"],
    }.items():
        assert await problems(provider, spec(module=str(tmp_path / module)), tmp_path) == wrong


async def test_what_a_sandbox_can_not_have_is_refused(provider: WasmProvider, tmp_path: Path) -> None:
    """All of it at once, each with its place."""
    more = {
        "module": ModuleSpec("echo:Echo"),
        "endpoints": {"http": Endpoint("http")},
        "probes": {"readiness": ProbeSpec("notify")},
    }
    run: dict[str, Any] = {
        "module": program(tmp_path, "hello"),
        "folders": {"/data": {"path": str(tmp_path / "none")}},
        "environment": {"A": "${secret:}"},
    }
    assert [problem.path for problem in provider.check(spec(more=more, **run))] == [
        "run.folders./data",
        "run.environment.A",
        "module",
        "endpoints",
        "probes.readiness.means",
    ]


async def test_without_the_runtime_it_says_how_to_get_it(
    provider: WasmProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it is checked, and if it is gone since then, when it is launched."""
    for name in [name for name in sys.modules if name.startswith(("wasmtime", "beeyard.adapters.providers.wasm."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "wasmtime", None)
    wanted = spec(module=program(tmp_path, "hello"))
    (problem,) = provider.check(wanted)
    assert (problem.path, problem.hint) == ("provider", INSTALL)
    with pytest.raises(Rejected) as refused:
        await provider.launch(wanted, 1, {})
    assert (refused.value.code, refused.value.hint) == ("wasm_missing", INSTALL)


@pytest.mark.parametrize(
    ("entry", "run", "plain"),
    [
        (ProcessEntry("bin/a.wasm", ("-v",)), {}, {"module": "/p/bin/a.wasm", "args": ("-v",)}),
        (ProcessEntry("bin/a.wasm", ("-v",)), {"args": ["-q"]}, {"module": "/p/bin/a.wasm", "args": ("-q",)}),
        (ProcessEntry("bin/a.wasm", ("-v",)), {"module": "b.wasm"}, {"module": "/p/b.wasm"}),
        (ProcessEntry("bin/a"), {"module": "b.wat"}, {"module": "/p/b.wat"}),
        (None, {"module": "/srv/b.wasm"}, {"module": "/srv/b.wasm"}),
    ],
    ids=["its own", "other arguments", "another file", "beside a program", "not of it"],
)
async def test_a_package_supplies_its_file_and_the_arguments_of_that(
    provider: WasmProvider, entry: ProcessEntry | None, run: dict[str, Any], plain: dict[str, Any]
) -> None:
    """What the worker says counts first."""
    found = provider.equip(spec("echo", **run), Manifest("echo", "1.0.0", process=entry), "/p", {})
    assert found == Equipment(plain)


async def test_a_package_without_webassembly_is_refused(provider: WasmProvider) -> None:
    """Its program may be any other."""
    with pytest.raises(Refused, match=r"echo 1.0.0 has no WebAssembly"):
        provider.equip(spec("echo"), Manifest("echo", "1.0.0", process=ProcessEntry("bin/echo")), "/p", {})
