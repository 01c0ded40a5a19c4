"""`package build`: a folder with a package file becomes an archive, its description and its papers. Signs and installs
nothing."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from beeyard.adapters.archives.collect import Collected, Ignored, collect
from beeyard.adapters.archives.ignoring import NAME, ignored
from beeyard.adapters.archives.pack import pack
from beeyard.adapters.papers.checkout import checkout
from beeyard.adapters.papers.finding import parts
from beeyard.adapters.papers.provenance import BUILDER, Made, provenance
from beeyard.adapters.papers.sbom import sbom
from beeyard.domain.errors import Invalid, Problem, Unavailable
from beeyard.domain.file_list import Fault
from beeyard.domain.links import Links
from beeyard.domain.packages import Description, FileEntry, Manifest, PaperKind, Platform
from beeyard.domain.papers import SUFFIXES, paper
from beeyard.entrypoints.cli.defining import defined
from beeyard.entrypoints.cli.workplace import Place, workplace
from beeyard.entrypoints.settings import package_file
from beeyard.entrypoints.settings.package_file import Build, Written
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
    sbom: str
    provenance: str


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


class Prepared(Struct, frozen=True):
    """What is to be packed: `found` in `place`, after `build` if there was something to run."""

    manifest: Manifest
    found: Collected
    place: Place
    build: Build | None


class Making(Struct, frozen=True):
    """How it is to be made: by whom (a URI), and whether what runs for it may reach the network."""

    builder: str = BUILDER
    allow_network: bool = False


def build_image(
    folder: str,
    output: str,
    platform: str | None,
    making: Making = Making(),  # noqa: B008
) -> tuple[BuiltImage, Prepared]:
    """Make an image of a package; the file is there whole, or as it was before. Raises as `build`."""
    from beeyard.adapters.images.layout import write

    with _prepared(folder, output, platform, making) as prepared:
        manifest, files = prepared.manifest, prepared.found.files
        path = Path(output, f"{manifest.name}-{manifest.version}-{manifest.platform}.oci.tar")
        trial = path.with_name(f".{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            digest = write(manifest, prepared.place.folder, files, trial)
            trial.replace(path)
        except OSError as error:
            raise _unwritable(error, path.parent) from None
        finally:
            trial.unlink(missing_ok=True)
    size = sum(file.size for file in files)
    named = manifest.name, manifest.version, manifest.platform
    return BuiltImage(*named, len(files), size, digest, path.stat().st_size, str(path)), prepared


def build(
    folder: str,
    output: str,
    platform: str | None,
    making: Making = Making(),  # noqa: B008
) -> tuple[Built, Prepared]:
    """Make a package; each file is there whole, or as it was before, and the description comes last.

    What was made, and of what.

    Raises:
        NotFound: `config_missing`, there is no package file; `command_missing`.
        Invalid: `config_invalid`, the package file is wrong, or names what is not there; `package_unfit`, the folder
            holds what no package can, all of it; `output_inside`, the output lies in what is packed; `ignore_invalid`.
        Refused: `package_changed`, somebody writes into the folder; what `workplace` refuses.
        Rejected: `command_failed`.
        Unavailable: `output_unwritable`.
    """
    with _prepared(folder, output, platform, making) as prepared:
        return _write(prepared, folder, Path(output), making), prepared


@contextmanager
def _prepared(folder: str, output: str, platform: str | None, making: Making) -> Iterator[Prepared]:
    written = package_file.load(package_file.find(folder))
    manifest = _on(written.manifest, platform)
    without = ignored(folder)
    if _is_packed(Path(output).resolve(), Path(folder).resolve(), without):
        text = "{output} lies in {folder}: the next package would hold this one"
        hint = f"name another: -o OUT; or leave it out by a line in {NAME}"
        raise Invalid("output_inside", text, hint=hint, output=output, folder=folder)
    with workplace(folder, output, written.build, allow_network=making.allow_network) as place:
        found = collect(place.folder, without)
        if found.faults:
            raise _unfit(folder, found.faults)
        _check(written, found.files, place.folder)
        yield Prepared(manifest, found, place, written.build)


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
    programs = {"executable_path": process.executable_path} if process else {}
    if written.manifest.check:
        programs["check"] = written.manifest.check.command[0]
    for place, path in programs.items():
        entry = here.get(links.end(path) or "")
        if entry is None:
            report.wrong(written.places[place], "a file of this package")
        elif not entry.executable:
            report.wrong(written.places[place], "a file that can be executed", f"chmod +x {path}")
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


def _write(prepared: Prepared, folder: str, output: Path, making: Making) -> Built:
    manifest, files, place = prepared.manifest, prepared.found.files, prepared.place
    name = f"{manifest.name}-{manifest.version}-{manifest.platform}"
    payload_path, description_path = output / f"{name}.tar.zst", output / f"{name}.json"
    beside = {kind: output / f"{name}{end}" for kind, end in SUFFIXES.items()}
    trials = {path: path.with_name(f".{path.name}.part") for path in (payload_path, *beside.values(), description_path)}
    try:
        output.mkdir(parents=True, exist_ok=True)
        payload = replace(pack(place.folder, files, str(trials[payload_path])), name=payload_path.name)
        plain = Description(manifest, files, payload)
        texts = _papers(plain, prepared, folder, beside["sbom"].name, making)
        papers = tuple(paper(kind, beside[kind].name, text) for kind, text in texts.items())
        for kind, text in texts.items():
            trials[beside[kind]].write_bytes(text)
        description = replace(plain, papers=papers)
        trials[description_path].write_bytes(_encoded(description))
        for path, trial in trials.items():
            trial.replace(path)
    except OSError as error:
        raise _unwritable(error, output) from None
    finally:
        for trial in trials.values():
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
        str(beside["sbom"]),
        str(beside["provenance"]),
    )


def _papers(
    description: Description, prepared: Prepared, folder: str, sbom_name: str, making: Making
) -> dict[PaperKind, bytes]:
    """What is written beside it."""
    place, files = prepared.place, description.files
    bill = _encoded(sbom(description, parts(Path(place.folder), files)))
    known = place.files or {file.path for file in files}
    made = Made(
        making.builder,
        checkout(Path(folder), known),
        prepared.build.command if prepared.build else (),
        place.source,
        network=place.held is not None and not place.held.offline,
    )
    beside = {sbom_name: hashlib.sha256(bill).hexdigest()}
    return {"sbom": bill, "provenance": _encoded(provenance(description, beside, made))}


def _encoded(value: object) -> bytes:
    return msgspec.json.Encoder(order="deterministic").encode(value) + b"\n"


def _unwritable(error: OSError, output: Path) -> Unavailable:
    text, file = "{file} can't be written: {reason}", str(error.filename or output)
    return Unavailable("output_unwritable", text, file=file, reason=error.strerror)
