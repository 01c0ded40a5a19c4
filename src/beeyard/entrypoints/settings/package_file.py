"""`package.yaml` as a Manifest. Knows both forms (`executable:` is the older `process:`); looks at no other file.

Variables are not replaced in it: a package is the same wherever it is made.
"""

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, get_args

import msgspec
from msgspec import Meta, Struct, field

from beeyard.domain import packages
from beeyard.domain.errors import Invalid, NotFound
from beeyard.domain.module import NAME as WORD
from beeyard.domain.packages import Dependency, Deployment, HealthCheck, Manifest, ModuleEntry, ProcessEntry
from beeyard.domain.values import Duration, Memory
from beeyard.entrypoints.settings import yaml_tree
from beeyard.entrypoints.settings.decode import struct
from beeyard.entrypoints.settings.files import text
from beeyard.entrypoints.settings.shape import Positive
from beeyard.entrypoints.settings.tree import Node, Report, Scalar, Sequence
from beeyard.entrypoints.settings.words import FAILED, Context, Read, choice, parsed
from beeyard.entrypoints.settings.words import text as words

NAMES = ("package.yaml", "worker-package.yaml")


class Process(Struct):
    """`process:`."""

    executable_path: Node
    args: tuple[str, ...] = ()


class Executable(Struct):
    """`executable:`."""

    path: Node
    args: tuple[str, ...] = ()


class Module(Struct):
    """`module:`."""

    module_path: Node
    entry_point: Node


class Need(Struct):
    """One of `dependencies:`."""

    name: Node
    version: Node | None = None
    required: bool = True


class Resources(Struct):
    """`resources:`."""

    min_memory: Memory = Memory(0)
    min_disk: Memory = Memory(0)


class Health(Struct):
    """`health_check:`."""

    endpoint: str
    interval: Positive = Duration(30.0)


class Check(Struct):
    """`check:`, what a host runs before the package counts as installed there."""

    command: Node
    prints: str = "{version}"
    timeout: Positive = Duration(10.0)


class Build(Struct):
    """`build:`, what is run in a copy of the folder before that is packed."""

    command: Annotated[tuple[str, ...], Meta(min_length=1, description="a program and its arguments, a list")]
    network: bool = False
    timeout: Positive = Duration(600.0)
    memory: Memory = Memory(4 * 2**30)


class File(Struct):
    """The whole file."""

    name: Node
    version: Node
    platform: Node | None = None
    description: str = ""
    supported_types: Node | None = None
    process: Process | None = None
    executable: Executable | None = None
    module: Module | None = None
    dependencies: tuple[Need, ...] = ()
    resources: Resources = field(default_factory=Resources)
    health_check: Health | None = None
    epoch: Annotated[int, Meta(ge=0, le=1_000_000, description="a whole number from 0 to 1000000")] = 0
    check: Check | None = None
    build: Build | None = None


class Written(Struct, frozen=True):
    """The manifest, and where what it runs is written: `executable_path`, `module_path`, `entry_point` and `check`, as
    far as they are. `build` is no part of the manifest: a host runs nothing of it."""

    manifest: Manifest
    places: Mapping[str, Node]
    build: Build | None = None


def find(folder: str) -> str:
    """The package file of a folder.

    Raises:
        NotFound: `config_missing`, there is none.
        Invalid: `config_ambiguous`, there are both.
    """
    here = [str(path) for name in NAMES if (path := Path(folder, name)).exists()]
    if not here:
        hint = "write one: name, version, and what it runs"
        raise NotFound("config_missing", "no {file} in {folder}", file=NAMES[0], folder=folder, hint=hint)
    if len(here) > 1:
        both = " and ".join(NAMES)
        raise Invalid("config_ambiguous", "{folder} has {files}", folder=folder, files=both, hint="keep one")
    return here[0]


def load(path: str) -> Written:
    """What a package file says.

    Raises:
        NotFound: `config_missing`, there is no such file.
        Invalid: `config_invalid`, with every problem found, in the order of the lines.
    """
    report = Report()
    context = Context(report, str(Path(path).absolute().parent), "")
    content = text(path, report, "package file")
    root = None if content is None else yaml_tree.read(path, content, report, lambda scalar: scalar)
    file = struct(root, File, context) if root else None
    written = _written(file, context) if file else None
    if root and written and not report.problems:
        _fits(root, written.manifest, report)
    if written is None or report.problems:
        raise invalid(path, report)
    return written


def invalid(path: str, report: Report) -> Invalid:
    """All that was reported, as one error."""
    problems = sorted(report.problems, key=lambda problem: problem.line)
    count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
    return Invalid("config_invalid", "{count} in {file}", problems=problems, count=count, file=path)


def _written(file: File, context: Context) -> Written:
    places: dict[str, Node] = {}
    if runs := file.process or file.executable:
        places["executable_path"] = runs.executable_path if isinstance(runs, Process) else runs.path
    if file.module:
        places |= {"module_path": file.module.module_path, "entry_point": file.module.entry_point}
    health, version = file.health_check, _version(file.version, context)
    check = _checked(file.check, str(version), places, context) if file.check else None
    manifest = Manifest(
        name=_name(file.name, context),
        version=version,
        platform=packages.ANY if file.platform is None else _platform(file.platform, context),
        description=file.description,
        process=_process(file, context),
        module=_module(file.module, context) if file.module else None,
        dependencies=tuple(_dependency(need, context) for need in file.dependencies),
        min_memory=file.resources.min_memory,
        min_disk=file.resources.min_disk,
        health_check=HealthCheck(health.endpoint, health.interval) if health else None,
        epoch=file.epoch,
        check=check,
    )
    if file.supported_types is not None:
        _agree(file.supported_types, manifest, context)
    return Written(manifest, places, file.build)


def _module(written: Module, context: Context) -> ModuleEntry:
    return ModuleEntry(_inner(written.module_path, context), _dotted(written.entry_point, context))


def _process(file: File, context: Context) -> ProcessEntry | None:
    """Both spellings may be there, if they say the same."""
    entry = ProcessEntry(_inner(file.process.executable_path, context), file.process.args) if file.process else None
    if file.executable is None:
        return entry
    older = ProcessEntry(_inner(file.executable.path, context), file.executable.args)
    if entry and entry != older:
        context.report.wrong(file.executable.path, "the same as `process` says, or no `executable` at all")
    return entry or older


def _checked(written: Check, version: str, places: dict[str, Node], context: Context) -> packages.Check | None:
    command = written.command
    if not isinstance(command, Sequence) or not command.items:
        context.report.wrong(command, "a program of this package and its arguments, a list")
        return None
    program, *args = command.items
    places["check"] = program
    line = (_inner(program, context), *(words(one, context) for one in args))
    return packages.Check(line, written.prints.replace("{version}", version), written.timeout)


def _dependency(need: Need, context: Context) -> Dependency:
    return Dependency(_name(need.name, context), _range(need.version, context) if need.version else "", need.required)


def _agree(node: Node, manifest: Manifest, context: Context) -> None:
    """What it says it can run as is what it has an entry for."""
    said = [_type(item, context) for item in (node.items if isinstance(node, Sequence) else [node])]
    if FAILED not in said and set(said) != set(manifest.supported_types):
        there = " and ".join(f"`{name}`" for name in manifest.supported_types) or "neither `process` nor `module`"
        context.report.add(node, ", ".join(map(repr, said)) or "an empty list", f"what this file has: {there}")


def _fits(root: Node, manifest: Manifest, report: Report) -> None:
    """What is well written may still be too long for a description that goes to others."""
    try:
        msgspec.convert(msgspec.to_builtins(manifest), Manifest)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at ")
        place = Scalar(root.file, root.line, path.strip("`$.") or "file", "")
        report.add(place, "too much", what.removeprefix("Expected "))


def _matching(pattern: str, expected: str) -> Read:
    def parse(written: str) -> str:
        if not re.fullmatch(pattern, written):
            raise ValueError(expected)
        return written

    return parsed(parse, expected)


def _canonical(written: str) -> str:
    """One spelling of a version: 1.2-RC.1 is 1.2rc1."""
    if len(found := str(packages.version(written))) > 64:
        raise ValueError(packages.VERSION_EXPECTED)
    return found


def _within(written: str) -> str:
    """One spelling of a path that stays in the package: ./bin//tool is bin/tool."""
    path = posixpath.normpath(written)
    if not written or path.startswith(("/", "../")) or path in (".", ".."):
        raise ValueError(written)
    return path


_name = _matching(packages.NAME, packages.NAME_EXPECTED)
_platform = _matching(packages.PLATFORM, "`any`, or SYSTEM-MACHINE such as linux-x86_64")
_version = parsed(_canonical, packages.VERSION_EXPECTED)
_range = parsed(packages.range_of, packages.RANGE_EXPECTED)
_inner = parsed(_within, "a path in the package, such as bin/tool")
_dotted = _matching(rf"{WORD}(\.{WORD})*", "the name of a function or a class")
_type = choice(get_args(Deployment))
