"""What a package supplies to a container that runs from it: an image's is the image itself; any other one is mounted,
read-only, where it never changes, and supplies the program where the worker names none. What it needs is mounted too.
"""

import os
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from beeyard.adapters.packaged import surrounded
from beeyard.adapters.providers.docker.section import DockerSection, Volume
from beeyard.adapters.providers.docker.where import find
from beeyard.domain.errors import Refused
from beeyard.domain.packages import Manifest
from beeyard.domain.spec import WorkerSpec
from beeyard.domain.supply import Equipment

FOLDER = "/opt/beeyard"
"""In the container: below it lies each package by its name."""


def equipped(
    spec: WorkerSpec,
    section: DockerSection,
    manifest: Manifest,
    folder: str,
    needs: Mapping[str, str],
    image: str,
) -> Equipment:
    """The section with all that was missing. An `image` that the worker names counts first; then the package's.

    Raises:
        Refused: `package_no_image`, nobody names one; `package_no_process`, nobody names a program; or
            `package_elsewhere`, the engine does not see the folders of this host.
    """
    package = {"package": manifest.name, "version": manifest.version}
    if not section.image and not image:
        text, hint = "{package} {version} is no image, and {worker} names none to run it in", "name one as docker.image"
        raise Refused("package_no_image", text, hint=hint, worker=spec.id, **package)
    mounted = dict(needs) | ({manifest.name: folder} if section.image else {})
    if mounted and not find(section.where).path:
        text = "{worker} runs on an engine elsewhere, where the folder of {package} {version} is not"
        hint = "build it as an image: `beeyard package build --oci`"
        raise Refused("package_elsewhere", text, hint=hint, worker=spec.id, **package)
    volumes = {f"{FOLDER}/{name}": Volume(path, read_only=True) for name, path in mounted.items()}
    place = f"{FOLDER}/{manifest.name}" if section.image else "/"
    inside = {name: f"{FOLDER}/{name}" for name in needs}
    entry = manifest.process if section.image else None  # An image's own words stand in the image.
    section = replace(
        _programmed(section, manifest, place) if section.image else replace(section, image=image),
        environment=surrounded(section.environment, entry, place, inside),
        volumes=section.volumes | volumes,
    )
    plain: dict[str, Any] = msgspec.to_builtins(section)
    return Equipment(plain)


def _programmed(section: DockerSection, manifest: Manifest, place: str) -> DockerSection:
    """With the package's program, and its folder to run in, where the worker names neither."""
    entry = manifest.process
    within = os.path.normpath(os.path.join(place, entry.working_directory if entry else ""))
    section = replace(section, working_directory=section.working_directory or within)
    if section.command or section.entrypoint:
        return section
    if entry is None:
        text, hint = "{package} {version} names no program that it runs as", "name one as docker.command"
        raise Refused("package_no_process", text, hint=hint, package=manifest.name, version=manifest.version)
    return replace(section, entrypoint=(os.path.join(place, entry.executable_path),), command=entry.args)
