"""An SBOM is what its standard says, a provenance what git says, and both depend on the package alone."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from beeyard.adapters.archives.collect import collect
from beeyard.adapters.papers import go, wheels
from beeyard.adapters.papers.checkout import checkout
from beeyard.adapters.papers.finding import parts
from beeyard.adapters.papers.parts import Part
from beeyard.domain.errors import Invalid
from beeyard.domain.packages import Description, Manifest, PaperKind, Payload
from beeyard.domain.papers import MOST, fault
from beeyard.entrypoints.cli.building import Making, build

FILE = """name: tool
version: 1.0
description: Does things
process: {executable_path: run}
dependencies: [{name: kernel, version: ">=3.8"}, {name: my-lib, required: false}]
"""
METADATA = "Metadata-Version: 2.1\nName: My.Lib\nVersion: 1.2+local\nLicense: BSD, more or less\n\nText\n"
COPYRIGHT = "Format: x\n\nFiles: *\nLicense: GPL-2+\n\nFiles: a\nLicense: Expat\n text\n"


def go_program(lines: str, version: str = "go1.22.1") -> bytes:
    """What Go's linker leaves in a program, at a place where it may lie."""
    marked = b"\x30" * 16 + lines.encode() + b"\xf9" * 16
    text = b""
    for part in (version.encode(), marked):
        length = len(part)
        while length >= 0x80:
            text, length = text + bytes([length & 0x7F | 0x80]), length >> 7
        text += bytes([length]) + part
    return b"\x7fELF" + bytes(28) + go.MAGIC + b"\x08\x02" + bytes(16) + text


GO = go_program("path\tx\nmod\texample.com/Tool\t(devel)\t\ndep\ta.b/C\tv1.0.0\th1:x=\n=>\ta.b/d\tv2.0.0\th1:y=\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A package with parts of all kinds in it."""
    made = tmp_path / "source/tool"
    for path, content in {
        "package.yaml": FILE,
        "run": "#!/bin/sh\n",
        "lib/my_lib-1.2.dist-info/METADATA": METADATA,
        "usr/share/doc/libx1/copyright": COPYRIGHT,
        "a b/ü": "",
    }.items():
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        (made / path).write_text(content)
    (made / "run").chmod(0o755)
    (made / "link").symlink_to("run")
    (made / "server").write_bytes(GO)
    with zipfile.ZipFile(made / "other-2-py3-none-any.whl", "w") as wheel:
        text = "Name: other\nVersion: 2\nLicense-Expression: MIT OR Apache-2.0\n"
        wheel.writestr(zipfile.ZipInfo("other-2.dist-info/METADATA"), text)
    (made / "fake.whl").write_text("no wheel")
    return made


def built(folder: Path, output: Path, making: Making = Making()) -> tuple[Description, Any, Any]:  # noqa: B008
    """Description, SBOM and provenance."""
    made, _ = build(str(folder), str(output), None, making)
    texts = [Path(made.sbom).read_bytes(), Path(made.provenance).read_bytes()]
    return msgspec.json.decode(Path(made.description).read_bytes(), type=Description), *map(json.loads, texts)


def test_an_sbom_is_what_its_standard_says(folder: Path, tmp_path: Path) -> None:
    """By the schema of CycloneDX 1.6, with every kind of part in it and with a time."""
    os.environ["SOURCE_DATE_EPOCH"] = "1700000000"
    try:
        description, bill, statement = built(folder, tmp_path / "out")
    finally:
        del os.environ["SOURCE_DATE_EPOCH"]
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(json.dumps(bill)) is None
    assert validator.validate_str(json.dumps(bill | {"components": [{"type": "nothing"}]})) is not None
    assert bill["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
    assert statement["predicate"]["runDetails"]["metadata"] == {"finishedOn": "2023-11-14T22:13:20Z"}
    assert bill["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": description.payload.sha256}]
    refs = [one["bom-ref"] for one in bill["components"]]
    assert refs == [
        "pkg:deb/debian/libx1",
        "pkg:golang/a.b/d@v2.0.0",
        "pkg:golang/example.com/tool",
        "pkg:golang/stdlib@1.22.1",
        "pkg:pypi/my-lib@1.2%2Blocal",
        "pkg:pypi/other@2",
        *(f"file:{path}" for path in ("a%20b/%C3%BC", "fake.whl", "lib/my_lib-1.2.dist-info/METADATA")),
        *(f"file:{path}" for path in ("other-2-py3-none-any.whl", "package.yaml", "run", "server")),
        "file:usr/share/doc/libx1/copyright",
        "needed:kernel",
        "needed:my-lib",
    ]
    assert bill["dependencies"][0]["dependsOn"] == sorted(ref for ref in refs if not ref.startswith("file:"))
    assert [one.get("licenses") for one in bill["components"][:6]] == [
        [{"license": {"name": "Expat"}}, {"license": {"name": "GPL-2+"}}],
        *(None, None, None),
        [{"license": {"name": "BSD, more or less"}}],
        [{"expression": "MIT OR Apache-2.0"}],
    ]


def test_a_real_program_of_go_tells_its_modules(tmp_path: Path) -> None:
    """Caddy, as it comes from the package index: what `go version -m` would say of it."""
    program = shutil.which("caddy", path=str(Path(sys.executable).parent))
    assert program, "the group `examples` of the development dependencies has it"
    (tmp_path / "caddy").symlink_to(program)
    shutil.copyfile(program, tmp_path / "caddy-itself")
    found = {part.name: part for part in parts(tmp_path, collect(str(tmp_path)).files)}
    assert {"stdlib", "github.com/caddyserver/caddy/v2", "golang.org/x/net"} <= set(found)
    assert len(found) > 100
    assert all(part.places == ("caddy-itself",) for part in found.values())


@pytest.mark.parametrize(
    "data",
    [b"\x7fELF" + bytes(28) + go.MAGIC, GO[:60], GO[:48] + b"\xff" * 40, b"\x7fELF" + bytes(27) + GO[32:], b"MZ" * 40],
    ids=["only the beginning", "cut off", "endless", "at another place", "of another kind"],
)
def test_what_only_looks_like_go_tells_of_nothing(tmp_path: Path, data: bytes) -> None:
    """Nor does it end the build."""
    (tmp_path / "program").write_bytes(data)
    assert list(go.find(tmp_path, collect(str(tmp_path)).files)) == []


def test_a_part_that_lies_in_two_places_is_one(tmp_path: Path) -> None:
    """With both places."""
    for name in ("b", "a"):
        (tmp_path / f"{name}/x.dist-info").mkdir(parents=True)
        (tmp_path / f"{name}/x.dist-info/METADATA").write_text("Name: x\nVersion: 1\n")
    (tmp_path / "c.dist-info").mkdir()
    (tmp_path / "c.dist-info/METADATA").write_text("nothing of use")
    files = collect(str(tmp_path)).files
    assert len(list(wheels.find(tmp_path, files))) == 2
    places = ("a/x.dist-info/METADATA", "b/x.dist-info/METADATA")
    assert parts(tmp_path, files) == [Part("x", "1", "pkg:pypi/x@1", places)]


def git(folder: Path, *arguments: str) -> str:
    """Done, in a repository of its own."""
    who = ("-c", "user.name=x", "-c", "user.email=x@example.com")
    asked = subprocess.run(["git", *who, "-C", folder, *arguments], check=True, capture_output=True, text=True)
    return asked.stdout.strip()


def test_a_provenance_says_which_commit_and_whether_it_was_changed(folder: Path, tmp_path: Path) -> None:
    """Of files that git does not know only those count that are packed; a password of the origin is not told."""
    above = folder.parent
    git(above, "init", "-q")
    git(above, "add", ".")
    git(above, "commit", "-qm", "x")
    git(above, "remote", "add", "origin", "https://me:hidden@example.com/team/tool.git")
    (above / "notes").write_text("elsewhere in the checkout")
    (folder / ".packageignore").write_text("*.log\n")
    git(above, "add", "tool/.packageignore")
    git(above, "commit", "-qm", "y")
    (folder / "a.log").write_text("not packed")
    description, _, statement = built(folder, tmp_path / "out", Making("https://example.com/pipeline"))
    told = {
        "uri": "git+https://example.com/team/tool.git",
        "digest": {"gitCommit": git(above, "rev-parse", "HEAD")},
        "annotations": {"folder": "tool", "changed": False},
    }
    assert statement["predicate"]["buildDefinition"]["resolvedDependencies"] == [told]
    assert statement["predicate"]["runDetails"]["builder"]["id"] == "https://example.com/pipeline"
    assert [one["digest"]["sha256"] for one in statement["subject"]] == [
        description.payload.sha256,
        next(paper.sha256 for paper in description.papers if paper.kind == "sbom"),
    ]
    (folder / "new").write_text("packed")
    _, _, statement = built(folder, tmp_path / "out")
    assert statement["predicate"]["buildDefinition"]["resolvedDependencies"] == [
        told | {"annotations": {"folder": "tool", "changed": True}}
    ]
    (folder / "new").unlink()
    (folder / "run").write_text("#!/bin/sh\nchanged\n")
    _, _, statement = built(folder, tmp_path / "out")
    assert statement["predicate"]["buildDefinition"]["resolvedDependencies"][0]["annotations"]["changed"] is True


ORIGINS = {
    "https://me:hidden@example.com/team/tool.git": "https://example.com/team/tool.git",
    "https://hidden@example.com:8443/tool.git?private_token=hidden#hidden": "https://example.com:8443/tool.git",
    "ssh://git:hidden@example.com:22/tool.git": "ssh://git@example.com:22/tool.git",
    "ftp://hidden@[::1]/tool.git": "ftp://[::1]/tool.git",
    "git@example.com:team/tool.git": "git@example.com:team/tool.git",
    "../tool": "../tool",
    "file:///srv/tool": "file:///srv/tool",
    "me:hidden@example.com:tool": "",
    "http://[hidden": "",
    "ssh://me:hid/den@example.com/tool": "",
    "helper::https://me:hidden@example.com/tool": "",
    "ext::curl -H hidden %S": "",
    "": "",
}


@pytest.mark.parametrize(("origin", "told"), ORIGINS.items(), ids=map(str, range(len(ORIGINS))))
def test_an_origin_is_told_without_its_secrets(folder: Path, origin: str, told: str) -> None:
    """What can't be taken apart is not told at all."""
    git(folder, "init", "-q")
    git(folder, "commit", "-qm", "x", "--allow-empty")
    git(folder, "config", "remote.origin.url", origin)
    found = checkout(folder, ())
    assert found is not None
    assert found.origin == told


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """A program that must not run: it leaves a trace."""
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\necho "$@" >> "$0.ran"\ncat\n')
    program.chmod(0o755)
    return program


def filtered(folder: Path, ran: Path, name: str = "evil") -> None:
    """Every file here goes through a filter, and one was changed, which only its content shows."""
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "x")
    (folder / ".git/info").mkdir(exist_ok=True)
    (folder / ".git/info/attributes").write_text(f"* filter={name}\n")
    git(folder, "config", f"filter.{name}.required", "true")
    git(folder, "config", f"filter.{name}.clean", str(ran))
    content = (folder / "run").read_text()
    (folder / "run").write_text(content.swapcase())
    os.utime(folder / "run", (0, 0))


@pytest.mark.parametrize("name", ["evil", "e.v=il", "E.vil"])
@pytest.mark.parametrize("kind", ["clean", "process", "core.fsmonitor", "hook"])
def test_nothing_of_the_folder_runs_while_git_is_asked(folder: Path, ran: Path, kind: str, name: str) -> None:
    """No filter of its settings, whatever its name, no monitor and no hook. That a file was changed is seen."""
    filtered(folder, ran, name)
    if kind == "process":
        git(folder, "config", f"filter.{name}.process", str(ran))
    elif kind == "hook":
        (folder / ".git/hooks/post-index-change").symlink_to(ran)
    elif kind != "clean":
        git(folder, "config", kind, str(ran))
    found = checkout(folder, ["run"])
    assert found is not None
    assert found.changed
    assert not list(ran.parent.glob("*.ran"))


def test_a_submodule_is_not_looked_into(folder: Path, ran: Path, tmp_path: Path) -> None:
    """So files of one count as changed, and so do those of a checkout that lies in this one."""
    other = folder / "inner"
    other.mkdir()
    (other / "run").write_text("run")
    filtered(other, ran)
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "x")
    for files, changed in ((["run"], False), (["run", "inner/run"], True)):
        found = checkout(folder, files)
        assert found is not None
        assert found.changed is changed
    git(folder, "rm", "-q", "--cached", "inner")
    git(folder, "commit", "-qm", "y")
    for files, changed in ((["run"], False), (["run", "inner/run"], True)):
        found = checkout(folder, files)
        assert found is not None
        assert found.changed is changed
    assert not list(tmp_path.glob("*.ran"))


def test_nobody_is_called_for_what_is_missing(folder: Path, ran: Path) -> None:
    """A checkout that has not all of its objects may name a program that brings them."""
    filtered(folder, ran)
    git(folder, "config", "core.repositoryFormatVersion", "1")
    git(folder, "config", "extensions.partialClone", "origin")
    git(folder, "config", "remote.origin.promisor", "true")
    git(folder, "config", "remote.origin.url", f"ext::{ran}")
    git(folder, "config", "protocol.ext.allow", "always")
    tree = git(folder, "rev-parse", "HEAD^{tree}")
    (folder / ".git/objects" / tree[:2] / tree[2:]).unlink()
    found = checkout(folder, ["run"])
    assert found is not None
    assert found.changed
    assert not list(ran.parent.glob("*.ran"))


@pytest.mark.parametrize("packed", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_wheel_tells_of_nothing(tmp_path: Path, packed: int) -> None:
    """However it is packed: it is a file as others."""
    path = tmp_path / "x-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", packed) as wheel:
        wheel.writestr("x-1.dist-info/METADATA", METADATA * 100)
    data = bytearray(path.read_bytes())
    data[60:90] = b"\xff" * 30
    path.write_bytes(data)
    assert list(wheels.find(tmp_path, collect(str(tmp_path)).files)) == []


def test_a_folder_that_is_no_checkout_has_a_provenance_too(folder: Path, tmp_path: Path) -> None:
    """It names the package and who made it, and of what is not known."""
    _, _, statement = built(folder, tmp_path / "out")
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    made = statement["predicate"]["buildDefinition"]
    assert made["externalParameters"] == {"name": "tool", "version": "1.0", "platform": "any"}
    assert made["resolvedDependencies"] == []


def test_a_time_has_to_be_one(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than that papers say something else than other tools that read the same variable."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(Invalid, match="SOURCE_DATE_EPOCH is 'yesterday', expected seconds since 1970"):
        built(folder, tmp_path / "out")


Change = Callable[[dict[str, Any]], object]
CHANGES: dict[str, tuple[PaperKind, Change, str]] = {
    "another package": ("sbom", lambda bill: bill["metadata"]["component"].update(name="x"), "is of x 1.0"),
    "another version": ("sbom", lambda bill: bill["metadata"]["component"].update(version="2"), "is of tool 2"),
    "another form": ("sbom", lambda bill: bill.update(bomFormat="x"), "is in the form x, not CycloneDX"),
    "a file more": (
        "sbom",
        lambda bill: bill["components"].append({"type": "file", "name": "evil"}),
        "says something else of evil",
    ),
    "a file less": (
        "sbom",
        lambda bill: bill.update(components=[one for one in bill["components"] if one["name"] != "run"]),
        "says something else of run",
    ),
    "another digest": (
        "sbom",
        lambda bill: [one.update(hashes=[]) for one in bill["components"] if one["name"] == "server"],
        "says something else of server",
    ),
    "another payload": ("provenance", lambda told: told["subject"].pop(0), "is not of this package"),
    "another predicate": (
        "provenance",
        lambda told: told.update(predicateType="x"),
        "is in the form x, not https://slsa.dev/provenance/v1",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_papers_of_something_else_are_noticed(folder: Path, tmp_path: Path, name: str) -> None:
    """Whatever it is in which they differ; as they were made nothing speaks against them."""
    description, bill, statement = built(folder, tmp_path / "out")
    kind, change, expected = CHANGES[name]
    paper = bill if kind == "sbom" else statement
    assert fault(description, kind, json.dumps(paper).encode()) == ""
    change(paper)
    assert fault(description, kind, json.dumps(paper).encode()) == expected


@pytest.mark.parametrize("kind", ["sbom", "provenance"])
def test_a_paper_that_nobody_can_read_is_none(folder: Path, tmp_path: Path, kind: PaperKind) -> None:
    """It is no paper of any package."""
    description, _, _ = built(folder, tmp_path / "out")
    assert fault(description, kind, b"{").startswith("can't be read: ")


def test_a_paper_beyond_all_measure_is_not_read() -> None:
    """Nor is one that is so deep that nobody can tell what is in it."""
    described = Description(Manifest("tool", "1.0"), (), Payload("tool", 1, "0" * 64))
    assert fault(described, "sbom", bytes(MOST + 1)) == "has more than the 64 MB that are read"
    assert fault(described, "sbom", b'{"metadata": ' + b"[" * 200_000).startswith("can't be read")
    assert fault(described, "sbom", b'{"other": ' + b"[" * 200_000).startswith("can't be read")
