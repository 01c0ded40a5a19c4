"""`package build`: a folder with a package file becomes an archive and its description. Signs and installs nothing."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from beeyard.adapters.archives.collect import Collected, Ignored, collect
from beeyard.adapters.archives.ignoring import NAME, ignored
from beeyard.adapters.archives.pack import pack
from beeyard.domain.errors import Invalid, Problem, Unavailable
from beeyard.domain.file_list import Fault
from beeyard.domain.links import Links
from beeyard.domain.packages import Description, FileEntry, Manifest, Platform
from beeyard.entrypoints.cli.defining import defined
from beeyard.entrypoints.settings import package_file
from beeyard.entrypoints.settings.package_file import Written
from beeyard.entrypoints.settings.tree import Report


class Built(Struct, frozen=True):
    """What was made: `files` so many, `size` bytes unpacked; `digest` names what will lie on a host, and `sha256` the
    archive of `packed` bytes."""

    name: str
    version: str
    platform: str
    files: int
    size: int
    digest: str
    packed: int
    sha256: str
    payload: str
    description: str


class BuiltImage(Struct, frozen=True):
    """An image that was made: `image` is its file, and `digest` what a registry will know it by."""

    name: str
    version: str
    platform: str
    files: int
    size: int
    digest: str
    packed: int
    image: str


def build_image(folder: str, output: str, platform: str | None) -> tuple[BuiltImage, Collected]:
    """Make an image of a package; the file is there whole, or as it was before. Raises as `build`."""
    from beeyard.adapters.images.layout import write

    manifest, found = _prepared(folder, output, platform)
    path = Path(output, f"{manifest.name}-{manifest.version}-{manifest.platform}.oci.tar")
    trial = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        digest = write(manifest, folder, found.files, trial)
        trial.replace(path)
    except OSError as error:
        raise _unwritable(error, path.parent) from None
    finally:
        trial.unlink(missing_ok=True)
    size = sum(file.size for file in found.files)
    named = manifest.name, manifest.version, manifest.platform
    return BuiltImage(*named, len(found.files), size, digest, path.stat().st_size, str(path)), found


def build(folder: str, output: str, platform: str | None) -> tuple[Built, Collected]:
    """Make a package; each file is there whole, or as it was before, and the description comes last.

    What was made, and what was found in the folder.

    Raises:
        NotFound: `config_missing`, there is no package file.
        Invalid: `config_invalid`, the package file is wrong, or names what is not there; `package_unfit`, the folder
            holds what no package can, all of it; `output_inside`, the output lies in what is packed; `ignore_invalid`.
        Refused: `package_changed`, somebody writes into the folder.
        Unavailable: `output_unwritable`.
    """
    manifest, found = _prepared(folder, output, platform)
    return _write(manifest, folder, found.files, Path(output)), found


def _prepared(folder: str, output: str, platform: str | None) -> tuple[Manifest, Collected]:
    written = package_file.load(package_file.find(folder))
    manifest = _on(written.manifest, platform)
    without = ignored(folder)
    if _is_packed(Path(output).resolve(), Path(folder).resolve(), without):
        text = "{output} lies in {folder}: the next package would hold this one"
        hint = f"name another: -o OUT; or leave it out by a line in {NAME}"
        raise Invalid("output_inside", text, hint=hint, output=output, folder=folder)
    found = collect(folder, without)
    if found.faults:
        raise _unfit(folder, found.faults)
    _check(written, found.files, folder)
    return manifest, found


def _is_packed(output: Path, folder: Path, without: Ignored) -> bool:
    """Whether what is written there would be in the package."""
    if not output.is_relative_to(folder):
        return False
    inner = output.relative_to(folder)
    above = [path for path in (inner, *inner.parents) if path.parts]
    return not any(without(f"{path.as_posix()}/") for path in above)


def _on(manifest: Manifest, platform: str | None) -> Manifest:
    if platform is None:
        return manifest
    try:
        return replace(manifest, platform=msgspec.convert(platform, Platform))
    except msgspec.ValidationError:
        text = "--platform {platform}: expected `any`, or SYSTEM-MACHINE such as linux-x86_64"
        raise Invalid("usage", text, platform=platform) from None


def _unfit(folder: str, faults: Sequence[Fault]) -> Invalid:
    problems = [Problem(fault.path, f"an entry that {fault.what}", "one that every host can hold") for fault in faults]
    count = "one entry" if len(faults) == 1 else f"{len(faults)} entries"
    text = "{count} of {folder} can't be in a package"
    return Invalid("package_unfit", text, problems=problems, count=count, folder=folder)


def _check(written: Written, files: Sequence[FileEntry], folder: str) -> None:
    """What the package runs is in it, and can be run. Raises Invalid."""
    report = Report()
    here = {entry.path: entry for entry in files}
    links = Links({entry.path: entry.link for entry in files if entry.link})
    process, module = written.manifest.process, written.manifest.module
    if process:
        entry = here.get(links.end(process.executable_path) or "")
        if entry is None:
            report.wrong(written.places["executable_path"], "a file of this package")
        elif not entry.executable:
            hint = f"chmod +x {process.executable_path}"
            report.wrong(written.places["executable_path"], "a file that can be executed", hint)
    if module:
        path = module.module_path if module.module_path.endswith(".py") else f"{module.module_path}/__init__.py"
        if links.end(module.module_path) in here and path != module.module_path:
            report.wrong(written.places["module_path"], "a file that ends in .py, or a package's folder")
        elif links.end(path) not in here:
            report.wrong(written.places["module_path"], "a file of this package")
        else:
            defined(Path(folder, path), module, written.places, report)
    if report.problems:
        raise package_file.invalid(next(iter(written.places.values())).file, report)


def _write(manifest: Manifest, folder: str, files: tuple[FileEntry, ...], output: Path) -> Built:
    name = f"{manifest.name}-{manifest.version}-{manifest.platform}"
    payload_path, description_path = output / f"{name}.tar.zst", output / f"{name}.json"
    trials = [path.with_name(f".{path.name}.part") for path in (payload_path, description_path)]
    try:
        output.mkdir(parents=True, exist_ok=True)
        payload = replace(pack(folder, files, str(trials[0])), name=payload_path.name)
        description = Description(manifest, files, payload)
        trials[1].write_bytes(msgspec.json.Encoder(order="deterministic").encode(description) + b"\n")
        trials[0].replace(payload_path)
        trials[1].replace(description_path)
    except OSError as error:
        raise _unwritable(error, output) from None
    finally:
        for trial in trials:
            trial.unlink(missing_ok=True)
    return Built(
        manifest.name,
        manifest.version,
        manifest.platform,
        len(files),
        description.size,
        description.digest,
        payload.size,
        payload.sha256,
        str(payload_path),
        str(description_path),
    )


def _unwritable(error: OSError, output: Path) -> Unavailable:
    text, file = "{file} can't be written: {reason}", str(error.filename or output)
    return Unavailable("output_unwritable", text, file=file, reason=error.strerror)
