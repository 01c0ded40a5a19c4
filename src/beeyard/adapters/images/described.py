"""An image as a package: what its config says of how it is run becomes what a package's author would write.

Words of the image are paths in it; in a package they are relative to its folder. Looks at no file of either.
"""

import hashlib
import posixpath
import re
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from beeyard.adapters.images.shapes import Config, Run, wrong
from beeyard.domain.links import Links
from beeyard.domain.packages import ANY, FileEntry, Manifest, ProcessEntry

LABEL = "io.beeyard.package"
"""Where an image that was made of a package holds its manifest."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=[^\0]*")


def build_digest(name: str, version: str, sha256: str) -> str:
    """What tells a package that is made of an image from all others; `sha256`: that of the image's manifest."""
    return hashlib.sha256(f"{name} {version} sha256:{sha256}".encode()).hexdigest()


def manifest(config: Config, name: str, version: str, digest: str, repository: str) -> Manifest:
    """Raises Untrusted when it says what no package could."""
    run = config.config or Run()
    if (written := (run.labels or {}).get(LABEL)) is not None:
        return _labelled(written, config, name, version, digest, repository)
    argv = [*(run.entrypoint or []), *(run.cmd or [])]
    entry = ProcessEntry(_inner(argv[0]), tuple(argv[1:]), _env(run), _inner(run.working_dir)) if argv else None
    made = Manifest(name, version, config.on.platform, f"the image {name}@sha256:{digest}", entry)
    return _checked(made, name, repository)


def settled(manifest: Manifest, files: Sequence[FileEntry]) -> Manifest:
    """With the program where it lies, if it was named without a folder; and without a folder to run in that is empty
    in the image, and so not there."""
    entry = manifest.process
    if entry is None:
        return manifest
    links = Links({file.path: file.link for file in files if file.link})
    known = {file.path for file in files}
    program, place = entry.executable_path, entry.working_directory
    if "/" not in program and program not in known:
        inside = [f"{folder}/{program}".lstrip("/") for folder in _search(entry.env)]
        program = next((path for path in inside if links.end(path) in known), program)
    if place and not any(file.path.startswith(f"{links.end(place)}/") for file in files):
        place = ""
    return replace(manifest, process=replace(entry, executable_path=program, working_directory=place))


def _labelled(written: str, config: Config, name: str, version: str, digest: str, repository: str) -> Manifest:
    try:
        made = msgspec.json.decode(written, type=Manifest)
    except msgspec.DecodeError as error:
        raise wrong(repository, f"{name}:{version}", f"has a label {LABEL} that can't be read: {error}") from None
    if (made.name, made.version) != (name, version) or made.platform not in (ANY, config.on.platform):
        raise wrong(repository, f"{name}:{version}", f"says that it is {made.name}:{made.version} for {made.platform}")
    told = f"{made.description} (the image {name}@sha256:{digest})".lstrip()
    return _checked(replace(made, description=told), name, repository)


def _checked(made: Manifest, name: str, repository: str) -> Manifest:
    try:
        return msgspec.convert(msgspec.to_builtins(made), Manifest)
    except msgspec.ValidationError as error:
        raise wrong(repository, name, f"can't be a package: {error}") from None


def _inner(path: str) -> str:
    """A bare name stays one: where that lies is known once the files are."""
    return posixpath.normpath(f"/{path}").lstrip("/") if path else ""


def _env(run: Run) -> tuple[str, ...]:
    return tuple(one for one in run.env or [] if _VARIABLE.fullmatch(one))


def _search(env: Sequence[str]) -> list[str]:
    """The folders of its PATH, within the package."""
    found = [one.partition("=")[2] for one in env if one.startswith("PATH=")]
    return [folder.strip("/") for folder in (found or [""])[-1].split(":") if folder.startswith("/")]
