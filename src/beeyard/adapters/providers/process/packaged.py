"""What a package supplies to a process that runs from it: its program, arguments and folder, where none is named."""

import os
from typing import Any

import msgspec
from msgspec.structs import replace

from beeyard.adapters.providers.process.section import PackagedSection
from beeyard.domain.errors import Refused
from beeyard.domain.packages import Manifest


def equipped(section: PackagedSection, manifest: Manifest, folder: str) -> dict[str, Any]:
    """The section with absolute paths. The package's arguments belong to its own program, not to another one of it.

    Raises:
        Refused: `package_no_process`, it names no program, and neither does the worker.
    """
    entry, program = manifest.process, section.executable_path
    if entry is None and not program:
        text = "{package} {version} has no program: it runs as {types} only"
        types = " and ".join(manifest.supported_types)
        fields = {"package": manifest.name, "version": manifest.version, "types": types}
        hint = "name a file of it as execution.executable_path"
        raise Refused("package_no_process", text, hint=hint, **fields)
    args = section.args
    if entry is not None and program in ("", entry.executable_path):
        program, args = entry.executable_path, args or entry.args
    section = replace(
        section,
        executable_path=os.path.join(folder, program),
        args=args,
        working_directory=os.path.normpath(os.path.join(folder, section.working_directory)),
    )
    plain: dict[str, Any] = msgspec.to_builtins(section)
    return plain
