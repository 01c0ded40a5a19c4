"""`package build` makes the same package of the same files wherever and whenever, and says what it can't take."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from beeyard.adapters.archives.unpack import unpack
from beeyard.domain.packages import Description
from tests.unit.entrypoints.cli.conftest import Run

FILE = "name: tool\nversion: 1.0\nexecutable: {path: bin/tool}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A package's folder."""
    made = tmp_path / "tool"
    for path, content in {"package.yaml": FILE, "bin/tool": "#!/bin/sh\n", "lib/b": "b", "lib/a": "a"}.items():
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        (made / path).write_text(content)
    (made / "bin" / "tool").chmod(0o755)
    return made


async def test_a_folder_becomes_a_package(run: Run, folder: Path, tmp_path: Path) -> None:
    """The archive and the description that fits it; on the host that has both the files come out."""
    code, out, err = run("package", "build", str(folder), "-o", f"{tmp_path}/new/out", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    payload, described = tmp_path / "new/out/tool-1.0-any.tar.zst", tmp_path / "new/out/tool-1.0-any.json"
    bill, statement = tmp_path / "new/out/tool-1.0-any.cdx.json", tmp_path / "new/out/tool-1.0-any.intoto.jsonl"
    description = msgspec.json.decode(described.read_bytes(), type=Description)
    assert told == {
        "name": "tool",
        "version": "1.0",
        "platform": "any",
        "files": 4,
        "size": len(FILE) + 12,
        "digest": description.digest,
        "packed": payload.stat().st_size,
        "sha256": description.payload.sha256,
        "payload": str(payload),
        "description": str(described),
        "sbom": str(bill),
        "provenance": str(statement),
    }
    made = [described, payload, bill, statement]
    assert sorted(path.name for path in payload.parent.iterdir()) == sorted(path.name for path in made)
    assert description.payload.name == payload.name
    assert [(entry.path, entry.executable) for entry in description.files] == [
        ("bin/tool", True),
        ("lib/a", False),
        ("lib/b", False),
        ("package.yaml", False),
    ]
    into = tmp_path / "into"
    into.mkdir()
    await unpack(str(payload), description, str(into))
    assert subprocess.run([into / "bin" / "tool"], check=True).returncode == 0


def test_it_is_told_in_a_line_a_fact(run: Run, folder: Path, tmp_path: Path) -> None:
    """For people; what was left out is talk, and the platform is what was asked for."""
    (folder / "empty").mkdir()
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("x")
    code, out, err = run("package", "build", str(folder), "-o", str(tmp_path / "out"), "--platform", "linux-x86_64")
    description = msgspec.json.decode((tmp_path / "out/tool-1.0-linux-x86_64.json").read_bytes(), type=Description)
    assert (code, err) == (0, "left out, for a package holds no empty folders: empty\n")
    assert out.splitlines() == [
        "package    tool 1.0 (linux-x86_64)",
        f"files      4, {description.size} B; packed {description.payload.size} B",
        f"digest     {description.digest}",
        f"payload    {tmp_path}/out/tool-1.0-linux-x86_64.tar.zst",
        f"described  {tmp_path}/out/tool-1.0-linux-x86_64.json",
        f"sbom       {tmp_path}/out/tool-1.0-linux-x86_64.cdx.json",
        f"provenance {tmp_path}/out/tool-1.0-linux-x86_64.intoto.jsonl",
    ]


def test_what_its_author_leaves_out_is_not_in_a_package(run: Run, folder: Path, tmp_path: Path) -> None:
    """As git reads such a file; what Python and git write beside the files never is. It says what was left out."""
    out = folder / "made"
    (folder / ".packageignore").write_text("# notes\n*.log\n!keep.log\n/made/\nlib/b\n\n")
    for name in ("a.log", "lib/deep/b.log", "lib/deep/keep.log", "lib/__pycache__/a.pyc", ".git/config", "made/old"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    code, _, err = run("package", "build", str(folder), "-o", str(out))
    assert (code, err) == (0, "left out, as .packageignore says: a.log, lib/b, lib/deep/b.log, made/\n")
    first = {path.name: path.read_bytes() for path in out.glob("tool-*")}
    description = msgspec.json.decode(first["tool-1.0-any.json"], type=Description)
    assert [entry.path for entry in description.files] == ["bin/tool", "lib/a", "lib/deep/keep.log", "package.yaml"]
    (folder / "more.log").write_text("x")
    assert run("package", "build", str(folder), "-o", str(out))[0] == 0
    assert {path.name: path.read_bytes() for path in out.glob("tool-*")} == first


def test_what_is_left_out_may_not_be_what_it_runs(run: Run, folder: Path, tmp_path: Path) -> None:
    """The package file's own line is named."""
    (folder / ".packageignore").write_text("bin\n")
    code, _, err = run("package", "build", str(folder), "-o", str(tmp_path / "out"))
    assert code == 2
    assert "package.yaml:3: executable.path: found 'bin/tool', expected a file of this package" in err


def test_lines_that_are_no_patterns_are_all_named(run: Run, folder: Path, tmp_path: Path) -> None:
    """With their numbers; nothing is built."""
    (folder / ".packageignore").write_text("*.log\n!\n[z-a]\n")
    code, _, err = run("package", "build", str(folder), "-o", str(tmp_path / "out"))
    assert code == 2
    for line in (".packageignore:2: pattern: found '!'", ".packageignore:3: pattern: found '[z-a]'"):
        assert line in err
    assert not (tmp_path / "out").exists()


def test_the_same_files_make_the_same_bytes(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the order in the folder, the times, the umask, the working folder, and the name of the folder."""
    assert run("package", "build", str(folder), "-o", str(tmp_path / "one"))[0] == 0
    other = tmp_path / "elsewhere"
    before = os.umask(0o077)
    try:
        for path in sorted(folder.rglob("*"), reverse=True):
            target = other / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.is_file():
                shutil.copyfile(path, target)
                os.utime(target, (1, 1))
        (other / "bin" / "tool").chmod(0o700)
        monkeypatch.chdir(other)
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        assert run("package", "build", ".", "-o", str(tmp_path / "two"))[0] == 0
    finally:
        os.umask(before)
    made = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two")]
    assert made[0] == made[1]
    assert list(made[0])


def test_all_that_no_package_can_hold_is_named(run: Run, folder: Path, tmp_path: Path) -> None:
    """At once, by its path; nothing is written."""
    os.mkfifo(folder / "pipe")
    (folder / "LIB").write_text("x")
    (folder / "out").symlink_to("../elsewhere")
    (folder / "absolute").symlink_to("/etc/passwd")
    code, _, err = run("package", "build", str(folder), "-o", str(tmp_path / "dist"))
    assert code == 2
    lost = "which leads out of the package, too deep or in a circle"
    expected = "expected one that every host can hold"
    assert err.splitlines() == [
        f"pipe: found an entry that is a FIFO, {expected}",
        f"lib/a: found an entry that is the same name as 'LIB' on some file systems, {expected}",
        f"lib/b: found an entry that is the same name as 'LIB' on some file systems, {expected}",
        f"absolute: found an entry that is a link to '/etc/passwd', {lost}, {expected}",
        f"out: found an entry that is a link to '../elsewhere', {lost}, {expected}",
        f"error: 5 entries of {folder} can't be in a package",
    ]
    assert not (tmp_path / "dist").exists()


def test_what_it_runs_is_in_it(run: Run, folder: Path, tmp_path: Path) -> None:
    """As a file that can be executed, perhaps by links within the package; or the line is named that says otherwise."""
    (folder / "package.yaml").write_text(FILE + "module: {module_path: lib/none.py, entry_point: Tool}\n")
    (folder / "bin" / "tool").chmod(0o644)
    code, _, err = run("package", "build", str(folder), "-o", str(tmp_path / "out"))
    assert code == 2
    assert err.splitlines()[:2] == [
        f"{folder}/package.yaml:3: executable.path: found 'bin/tool', expected a file that can be executed "
        "(chmod +x bin/tool)",
        f"{folder}/package.yaml:4: module.module_path: found 'lib/none.py', expected a file of this package",
    ]
    (folder / "bin" / "tool").chmod(0o755)
    (folder / "lib" / "none.py").symlink_to("../share/none.py")
    (folder / "share").symlink_to("real")
    (folder / "real").mkdir()
    (folder / "real" / "none.py").write_text("class Tool: ...")
    assert run("package", "build", str(folder), "-o", str(tmp_path / "out"))[0] == 0


@pytest.mark.parametrize(
    ("path", "text", "problem"),
    [
        ("lib/a.py", "def create(): ...", ""),
        ("lib/a.py", "try:\n    from x import create\nexcept ImportError:\n    create = None", ""),
        ("lib/a.py", "import create.parts", ""),
        ("lib/a.py", "with open('x') as create: ...", ""),
        ("lib/a.py", "if True:\n    async def create(): ...", ""),
        ("lib/a.py", "from x import *", ""),
        ("lib/a.py", "def __getattr__(name): ...", ""),
        ("lib/__init__.py", "class create: ...", ""),
        (
            "lib/a.py",
            "def creat(): ...\ndef other():\n    create = 1\n[create for create in ()]\nraise SystemExit(create)",
            "FILE:6: module.entry_point: found 'create', expected a name that lib/a.py defines (did you mean 'creat'?)",
        ),
        ("lib/a.py", "def\n", "FOLDER/lib/a.py:1: lib/a.py: found invalid syntax, expected valid Python"),
        (
            "lib/a-b.py",
            "create = 1",
            "FILE:5: module.module_path: found 'lib/a-b.py', expected a path of words with letters, digits and '_' "
            "(Python imports no other names)",
        ),
        (
            "lib/a.so",
            "",
            "FILE:5: module.module_path: found 'lib/a.so', expected a file that ends in .py, or a package's folder",
        ),
    ],
)
def test_a_module_s_entry_point_is_there(
    run: Run, folder: Path, tmp_path: Path, path: str, text: str, problem: str
) -> None:
    """However the file binds the name; nothing of it is run."""
    (folder / path).write_text(text)
    path = path.removesuffix("/__init__.py")
    (folder / "package.yaml").write_text(f"{FILE}module:\n  module_path: {path}\n  entry_point: create\n")
    code, _, err = run("package", "build", str(folder), "-o", str(tmp_path / "out"))
    err = err.replace(f"{folder}/package.yaml", "FILE").replace(str(folder), "FOLDER")
    assert (code, err.splitlines()[:1]) == ((2, [problem]) if problem else (0, []))


@pytest.mark.parametrize("output", [".", "dist", "dist/deeper"])
def test_a_package_does_not_hold_itself(run: Run, folder: Path, output: str) -> None:
    """Or the second one would differ from the first."""
    code, _, err = run("package", "build", str(folder), "-o", str(folder / output))
    assert code == 2
    assert "lies in" in err
    assert sorted(path.name for path in folder.iterdir()) == ["bin", "lib", "package.yaml"]


def test_a_platform_is_written_as_platforms_are(run: Run, folder: Path, tmp_path: Path) -> None:
    """It becomes part of a file name."""
    code, _, err = run("package", "build", str(folder), "-o", str(tmp_path), "--platform", "../x")
    assert (code, err) == (2, "error: --platform ../x: expected `any`, or SYSTEM-MACHINE such as linux-x86_64\n")


def test_what_was_there_stays_when_it_fails(run: Run, folder: Path, tmp_path: Path) -> None:
    """A description that can't be put in its place leaves nothing half written beside it."""
    out = tmp_path / "out"
    (out / "tool-1.0-any.json").mkdir(parents=True)
    code, _, err = run("package", "build", str(folder), "-o", str(out))
    assert (code, err.splitlines()[0]) == (5, f"error: {out}/.tool-1.0-any.json.part can't be written: Is a directory")
    assert not [path for path in out.iterdir() if path.name.endswith(".part")]


def test_what_builds_it_runs_in_a_copy(run: Run, folder: Path, tmp_path: Path) -> None:
    """The package holds what it made, the folder is as it was, and the provenance says what was run on what."""
    (folder / "package.yaml").write_text(FILE + "build: {command: [sh, lib/make]}\n")
    (folder / "lib/make").write_text("echo '#!/bin/sh' > bin/tool; cat lib/a > bin/made; rm lib/b\n")
    (folder / ".packageignore").write_text("/lib/make\n")
    before = sorted(folder.rglob("*"))
    code, out, _ = run("package", "build", str(folder), "-o", str(tmp_path / "out"), "--allow-network", "--json")
    assert code == 0
    description = msgspec.json.decode(Path(json.loads(out)["description"]).read_bytes(), type=Description)
    assert [entry.path for entry in description.files] == ["bin/made", "bin/tool", "lib/a", "package.yaml"]
    assert sorted(folder.rglob("*")) == before
    told = json.loads(Path(json.loads(out)["provenance"]).read_bytes())["predicate"]["buildDefinition"]
    assert told["externalParameters"]["build"]["command"] == ["sh", "lib/make"]
    (source,) = told["resolvedDependencies"]
    assert run("package", "build", str(folder), "-o", str(tmp_path / "again"), "--allow-network")[0] == 0
    made = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("out", "again")]
    assert made[0] == made[1]
    (folder / "lib/make").write_text("cp lib/a bin/made; rm lib/b\n")
    _, out, _ = run("package", "build", str(folder), "-o", str(tmp_path / "out"), "--allow-network", "--json")
    told = json.loads(Path(json.loads(out)["provenance"]).read_bytes())["predicate"]["buildDefinition"]
    assert told["resolvedDependencies"] != [source]


def test_a_build_reaches_the_network_only_if_both_say_so(run: Run, folder: Path, tmp_path: Path) -> None:
    """The package file may ask; without who makes the package it is not even run."""
    (folder / "package.yaml").write_text(FILE + "build: {command: [sh, -c, 'exit 9'], network: true}\n")
    code, _, err = run("package", "build", str(folder), "-o", str(tmp_path / "out"))
    assert (code, err.splitlines()[0]) == (4, f"error: `sh -c exit 9` of {folder} wants to reach the network")
    code, _, err = run("package", "build", str(folder), "-o", str(tmp_path / "out"), "--allow-network")
    assert (code, err.splitlines()[0]) == (6, "error: `sh -c exit 9` failed: exit code 9")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("line", ["build: {command: []}", "build: {command: [true], netwrok: true}"])
def test_what_builds_it_is_named_in_full(run: Run, folder: Path, tmp_path: Path, line: str) -> None:
    """By at least one word, and under no key that nobody knows."""
    (folder / "package.yaml").write_text(f"{FILE}{line}\n")
    code, _, err = run("package", "build", str(folder), "-o", str(tmp_path / "out"))
    assert code == 2
    assert f"{folder}/package.yaml:4: build." in err
