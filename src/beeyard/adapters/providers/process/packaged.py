"""What a package supplies to a process that runs from it: its program, arguments and folder, or the module that the
process is to host, where none is named; and in the environment, as for ports, where it lies and where all lie that it
needs."""

import os
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from beeyard.adapters.packaged import surrounded
from beeyard.adapters.providers.process.section import PackagedSection
from beeyard.domain.errors import Refused
from beeyard.domain.packages import Manifest, ProcessEntry
from beeyard.domain.spec import WorkerSpec
from beeyard.domain.supply import Equipment, module_of


def equipped(
    spec: WorkerSpec, section: PackagedSection, manifest: Manifest, folder: str, needs: Mapping[str, str]
) -> Equipment:
    """The section with absolute paths. What the worker names counts first: a module, or a program; then the package's
    program, then its module.

    Raises:
        Refused: `package_no_process`, it has neither, and the worker names none; or no module that could be run.
    """
    if spec.module is None and (section.executable_path or manifest.process is not None or manifest.module is None):
        return Equipment(_plain(_program(section, manifest), manifest.process, folder, needs))
    return Equipment(_plain(section, None, folder, needs), module_of(spec.module, manifest, folder))


def _program(section: PackagedSection, manifest: Manifest) -> PackagedSection:
    """The package's arguments belong to its own program, not to another one of it."""
    entry, program = manifest.process, section.executable_path
    if entry is None and not program:
        text = "{package} {version} names neither a program nor a module that it runs as"
        hint = "name a file of it as execution.executable_path"
        raise Refused("package_no_process", text, hint=hint, package=manifest.name, version=manifest.version)
    if entry is not None and program in ("", entry.executable_path):
        return replace(section, executable_path=entry.executable_path, args=section.args or entry.args)
    return section


def _plain(
    section: PackagedSection, entry: ProcessEntry | None, folder: str, needs: Mapping[str, str]
) -> dict[str, Any]:
    program, inner = section.executable_path, section.working_directory or (entry.working_directory if entry else "")
    section = replace(
        section,
        executable_path=program and os.path.join(folder, program),
        environment=surrounded(section.environment, entry, folder, needs),
        working_directory=os.path.normpath(os.path.join(folder, inner)),
    )
    plain: dict[str, Any] = msgspec.to_builtins(section)
    return plain
