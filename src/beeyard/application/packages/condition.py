"""Whether a worker could run from an installed package: its files, its program, what it needs."""

import asyncio
import os
from collections.abc import Mapping, Sequence

from msgspec import Struct

from beeyard.domain.packages import Dependency
from beeyard.ports.package_manager import Installed
from beeyard.ports.package_store import Damage


class PackageHealth(Struct, frozen=True):
    """One package. `executable_path`: its program, or the module that it is; empty if it is neither. `checksum_valid`:
    its files are as they were signed; `issues`: all that is wrong, a sentence each."""

    is_healthy: bool
    executable_path: str
    is_executable: bool
    checksum_valid: bool
    dependencies_met: bool
    issues: tuple[str, ...]


async def condition(
    installed: Installed, damage: Sequence[Damage], others: Sequence[Installed], facts: Mapping[str, str]
) -> PackageHealth:
    """What follows from the damage that was found, from all that is installed, and from what the host has."""
    process, module = installed.manifest.process, installed.manifest.module
    inner = process.executable_path if process else module.module_path if module else ""
    path = os.path.join(installed.path, inner) if inner else ""
    runs = await asyncio.to_thread(os.access, path, os.X_OK)
    unmet = [need for need in installed.manifest.dependencies if need.required and not _met(need, others, facts)]
    issues = [f"{one.path} {one.what}" for one in damage]
    if process is not None and not runs:
        issues.append(f"{path} can't be executed")
    issues += [f"it needs {need.name} {need.version}".rstrip() for need in unmet]
    return PackageHealth(
        is_healthy=not issues,
        executable_path=path,
        is_executable=runs,
        checksum_valid=not damage,
        dependencies_met=not unmet,
        issues=tuple(issues),
    )


def _met(need: Dependency, others: Sequence[Installed], facts: Mapping[str, str]) -> bool:
    from beeyard.domain.shelves import takes

    if need.name in facts:
        return bool(facts[need.name]) and takes(need.version, facts[need.name])
    return any(one.manifest.name == need.name and takes(need.version, one.manifest.version) for one in others)
