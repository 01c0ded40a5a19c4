"""The section `wasm` of a worker."""

from pathlib import Path

from tests.unit.entrypoints.settings.conftest import Errors, Load


def test_a_section_says_all_that_it_may_have(load: Load, tmp_path: Path) -> None:
    """Files and folders from the worker file's folder on; sizes as everywhere; limits only by its own words."""
    (tmp_path / "a.wasm").touch()
    text = """
secrets: {word: {env: WORD}}
defaults: {limits: {memory: {max_rss: 1GB}}}
workers:
- id: w
  provider: wasm
  wasm:
    module: a.wasm
    args: [-v]
    environment: {KEY: "${secret:word}"}
    folders: {/data: {path: .}, /out: {path: ., write: true}}
    memory: 16MB
    fuel: 1000
    stop: {timeout: 1s}
"""
    (spec,) = load(text).workers
    assert spec.run == {
        "module": str(tmp_path / "a.wasm"),
        "args": ["-v"],
        "environment": {"KEY": "${secret:word}"},
        "folders": {"/data": {"path": str(tmp_path)}, "/out": {"path": str(tmp_path), "write": True}},
        "memory": 16 * 1024**2,
        "fuel": 1000,
    }
    assert spec.stop[0].wait == 1.0
    assert not spec.limits.bounds


def test_what_is_wrong_has_its_line(errors: Errors, tmp_path: Path) -> None:
    """Too little memory, no such file, limits, another provider's section."""
    text = """workers:
- id: w
  provider: wasm
  wasm: {module: a.wasm, memory: 1KB, folders: {/data: {path: none}}}
  limits: {memory: {max_rss: 1GB}}
- id: v
  wasm: {module: a.wasm}
  execution: {executable_path: /bin/sh}
"""
    assert [line.partition(":")[2] for line in errors(text)] == [
        f"4: workers[0].wasm.module: found 'a.wasm', no such file, expected an existing file ({tmp_path}/a.wasm)",
        "4: workers[0].wasm.folders./data.path: found 'none', no such folder, expected an existing folder "
        f"({tmp_path}/none)",
        "4: workers[0].wasm.memory: found '1KB', expected bytes, from 65536 to 4294967296",
        "5: workers[0].limits: found `limits`, expected no such key: it runs within the master "
        "(`memory` and `fuel` of its section `wasm` bound it)",
        "7: workers[1].wasm: found a section of the provider wasm, expected none: the provider is process",
    ]


def test_of_a_package_nothing_need_be_said(load: Load) -> None:
    """It supplies the file."""
    (spec,) = load("workers:\n- {id: w, provider: wasm, package: echo}\n").workers
    assert (spec.package, spec.run) == ("echo", {})
