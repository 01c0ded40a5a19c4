"""`package.yaml` says the same in both of its forms, and every mistake in it is told by its line."""

from pathlib import Path

import pytest

from beeyard.domain.errors import Invalid, NotFound
from beeyard.domain.packages import Check, Dependency, HealthCheck, Manifest, ModuleEntry, ProcessEntry
from beeyard.domain.values import Duration, Memory
from beeyard.entrypoints.settings import package_file

OLDER = """\
# worker-package.yaml
name: "data-processor"
version: "1.2.3"
description: "High-performance data processing worker"

executable:
  path: "bin/data-processor"
  args: ["--config", "config.yaml"]

dependencies:
  - name: "libprocessor"
    version: ">=2.1.0"
  - name: "python3"
    version: ">=3.8"

resources:
  min_memory: "512MB"
  min_disk: "1GB"

health_check:
  endpoint: "/health"
  interval: "30s"
"""
UNIFIED = """\
# package.yaml - supports both deployment types
name: "data-processor"
version: "1.2.3"
description: "High-performance data processing service"

# Deployment options
supported_types: ["process", "module"]

# Process deployment
process:
  executable_path: "bin/data-processor"
  args: ["--config", "config.yaml"]

# Module deployment
module:
  module_path: "lib/data-processor.so"
  entry_point: "CreateDataProcessor"

dependencies:
  - name: "libprocessor"
    version: ">=2.1.0"

health_check:
  endpoint: "/health"
  interval: "30s"
"""
PROCESS = ProcessEntry("bin/data-processor", ("--config", "config.yaml"))
LIBRARY = Dependency("libprocessor", ">=2.1.0")


def manifest(folder: Path, text: str, name: str = "package.yaml") -> Manifest:
    """What the text says."""
    (folder / name).write_text(text)
    return package_file.load(package_file.find(str(folder))).manifest


def wrong(folder: Path, text: str) -> list[str]:
    """Every problem with the text, without its file."""
    with pytest.raises(Invalid) as raised:
        manifest(folder, text)
    assert raised.value.code == "config_invalid"
    return [str(problem).removeprefix(f"{folder}/package.yaml:") for problem in raised.value.problems]


def test_the_older_form_is_read(tmp_path: Path) -> None:
    """`executable` is how it runs as a process; memory and disk are bytes."""
    assert manifest(tmp_path, OLDER, "worker-package.yaml") == Manifest(
        name="data-processor",
        version="1.2.3",
        description="High-performance data processing worker",
        process=PROCESS,
        dependencies=(LIBRARY, Dependency("python3", ">=3.8")),
        min_memory=Memory(512 * 2**20),
        min_disk=Memory(2**30),
        health_check=HealthCheck("/health", Duration(30.0)),
    )


def test_the_unified_form_is_read(tmp_path: Path) -> None:
    """Both ways to run in one package."""
    assert manifest(tmp_path, UNIFIED) == Manifest(
        name="data-processor",
        version="1.2.3",
        description="High-performance data processing service",
        process=PROCESS,
        module=ModuleEntry("lib/data-processor.so", "CreateDataProcessor"),
        dependencies=(LIBRARY,),
        health_check=HealthCheck("/health", Duration(30.0)),
    )


def test_both_forms_mix(tmp_path: Path) -> None:
    """One union of keys; what both say the same is said once, and everything has one spelling inside."""
    text = """\
name: tool
version: 1.2-RC.1
platform: linux-x86_64
supported_types: process
process: {executable_path: bin/tool, args: -v}
executable: {path: ./bin//tool, args: [-v]}
dependencies:
- {name: glibc, version: 2.36}
- {name: extra, required: false}
resources: {min_disk: 1MB}
"""
    assert manifest(tmp_path, text) == Manifest(
        name="tool",
        version="1.2rc1",
        platform="linux-x86_64",
        process=ProcessEntry("bin/tool", ("-v",)),
        dependencies=(Dependency("glibc", "==2.36"), Dependency("extra", required=False)),
        min_disk=Memory(2**20),
    )


def test_variables_stay_as_they_are_written(tmp_path: Path) -> None:
    """Who builds the package has other variables than who runs it."""
    text = "name: tool\nversion: 1\nprocess: {executable_path: bin/tool, args: ['${HOME}', '${secret:x}', '$$']}\n"
    process = manifest(tmp_path, text).process
    assert process
    assert process.args == ("${HOME}", "${secret:x}", "$$")


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    """With line, field, what was found and what was expected, and the nearest key."""
    text = """\
name: Data processor
version: one
platform: Linux
supported_types: [process, modul]
process: {executable_path: ../x}
executable: {path: y, arg: 1}
modules: {}
dependencies: {a: 1}
resources: {min_memory: lots}
health_check: {interval: 0s}
"""
    assert wrong(tmp_path, text) == [
        "1: name: found 'Data processor', expected 1 to 63 lower-case letters, digits, '-' or '_', not beginning with "
        "'-' or '_'",
        "2: version: found 'one', expected a version such as 1.2.3",
        "3: platform: found 'Linux', expected `any`, or SYSTEM-MACHINE such as linux-x86_64",
        "4: supported_types[1]: found 'modul', expected process or module (did you mean 'module'?)",
        "5: process.executable_path: found '../x', expected a path in the package, such as bin/tool",
        "6: executable.arg: found 'arg', expected a known key (did you mean 'args'?)",
        "6: executable.path: found 'y', expected the same as `process` says, or no `executable` at all",
        "7: modules: found 'modules', expected a known key (did you mean 'module'?)",
        "8: dependencies: found a mapping, expected a list",
        "9: resources.min_memory: found 'lots', expected a size such as 64KB, 512MB or 1GB",
        "10: health_check.endpoint: found nothing, expected a value: it has no default",
        "10: health_check.interval: found '0s', expected a duration above 0",
    ]


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        ("supported_types: [process, module]", "found 'process', 'module', expected what this file has: `process`"),
        ("supported_types: []", "found an empty list, expected what this file has: `process`"),
    ],
)
def test_supported_types_agree_with_what_is_there(tmp_path: Path, rest: str, problem: str) -> None:
    """A type without its block, or a block without its type, is a mistake."""
    text = f"name: tool\nversion: 1\nexecutable: {{path: bin/tool}}\n{rest}\n"
    assert wrong(tmp_path, text) == [f"4: supported_types: {problem}"]


@pytest.mark.parametrize("path", ["/bin/tool", "..", ".", "", "a/../..", "a/../../b"])
def test_a_path_stays_in_the_package(tmp_path: Path, path: str) -> None:
    """Whatever else it is."""
    expected = f"3: process.executable_path: found '{path}', expected a path in the package, such as bin/tool"
    assert wrong(tmp_path, f"name: tool\nversion: 1\nprocess: {{executable_path: '{path}'}}\n") == [expected]


def test_a_check_names_a_program_and_what_it_prints(tmp_path: Path) -> None:
    """The version, in the spelling that counts, unless it says something else."""
    start = "name: hello\nversion: 1.0-RC.1\nprocess: {executable_path: run}\ncheck: {command: "
    assert manifest(tmp_path, start + "[./run, version, 1]}").check == Check(("run", "version", "1"), "1.0rc1")
    long = manifest(tmp_path, start + '[run], prints: "hello {version}!", timeout: 1m}').check
    assert long == Check(("run",), "hello 1.0rc1!", Duration(60.0))
    for command in ("[]", "run", "[/bin/sh]", "[../run]"):
        assert "check.command" in wrong(tmp_path, f"{start}{command}}}")[0]


def test_what_no_description_can_hold_is_refused(tmp_path: Path) -> None:
    """Here, and not when somebody wants to install it."""
    text = f"name: tool\nversion: 1\ndescription: {'x' * 4097}\n"
    assert wrong(tmp_path, text) == ["1: description: found too much, expected `str` of length <= 4096"]


def test_nothing_is_not_enough(tmp_path: Path) -> None:
    """An empty file lacks a name and a version."""
    assert wrong(tmp_path, "") == [
        "1: name: found nothing, expected a value: it has no default",
        "1: version: found nothing, expected a value: it has no default",
    ]


def test_a_folder_has_one_package_file(tmp_path: Path) -> None:
    """Neither none nor two."""
    with pytest.raises(NotFound) as missing:
        package_file.find(str(tmp_path))
    assert str(missing.value) == f"no package.yaml in {tmp_path}"
    for name in package_file.NAMES:
        (tmp_path / name).write_text(OLDER)
    with pytest.raises(Invalid) as both:
        package_file.find(str(tmp_path))
    assert str(both.value) == f"{tmp_path} has package.yaml and worker-package.yaml"
    with pytest.raises(NotFound) as gone:
        package_file.load(str(tmp_path / "other.yaml"))
    assert str(gone.value) == f"no package file {tmp_path / 'other.yaml'}"
