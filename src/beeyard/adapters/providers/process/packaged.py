"""What a package supplies to a process that runs from it: its program, arguments and folder, where none is named; and
in the environment, as for ports, where it lies and where all lie that it needs."""

import os
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from beeyard.adapters.providers.process.section import PackagedSection
from beeyard.domain.errors import Refused
from beeyard.domain.packages import Manifest
from beeyard.domain.secrets import literal

PLACE = "BEEYARD_PACKAGE"


def equipped(section: PackagedSection, manifest: Manifest, folder: str, needs: Mapping[str, str]) -> dict[str, Any]:
    """The section with absolute paths. The package's arguments belong to its own program, not to another one of it.

    Raises:
        Refused: `package_no_process`, it names no program, and neither does the worker.
    """
    entry, program = manifest.process, section.executable_path
    if entry is None and not program:
        text = "{package} {version} names no program that it runs as"
        fields = {"package": manifest.name, "version": manifest.version}
        hint = "name a file of it as execution.executable_path"
        raise Refused("package_no_process", text, hint=hint, **fields)
    args = section.args
    if entry is not None and program in ("", entry.executable_path):
        program, args = entry.executable_path, args or entry.args
    section = replace(
        section,
        executable_path=os.path.join(folder, program),
        args=args,
        environment=section.environment | _places(folder, needs),
        working_directory=os.path.normpath(os.path.join(folder, section.working_directory)),
    )
    plain: dict[str, Any] = msgspec.to_builtins(section)
    return plain


def _places(folder: str, needs: Mapping[str, str]) -> dict[str, str]:
    """`BEEYARD_PACKAGE`, and `BEEYARD_PACKAGE_LIB` for what is called `lib`."""
    named = {f"{PLACE}_{name.upper().replace('-', '_')}": path for name, path in needs.items()}
    return {variable: literal(path) for variable, path in ({PLACE: folder} | named).items()}
