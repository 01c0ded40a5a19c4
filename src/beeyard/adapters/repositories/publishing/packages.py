"""Puts builds under an origin, points channels to versions, and takes versions back. Readers see it after `publish`."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace
from tuf.api.metadata import TargetFile, Targets

from beeyard.adapters.repositories import layout
from beeyard.adapters.repositories.index import Pointer
from beeyard.adapters.repositories.layout import Build
from beeyard.adapters.repositories.publishing import deltas, files, papers, trust
from beeyard.adapters.repositories.publishing.workshop import Done, Workshop
from beeyard.domain.errors import Invalid, NotFound, Refused, Unavailable
from beeyard.domain.packages import Description, is_channel, wanted
from beeyard.domain.packages import version as check_version
from beeyard.domain.papers import SUFFIXES
from beeyard.domain.values import human_memory

ENDS = (".tar.zst", *SUFFIXES.values(), ".json")
"""How the files of a build end; each of them names it."""


def add(workshop: Workshop, builds: Sequence[Path], origin: str, bases: int = deltas.BASES) -> Done:
    """Builds of `beeyard package build`, named by payload or description. All of them, or none. Harmless twice.

    `bases`: from so many builds before it a delta leads to each that is new, where that saves enough.

    Raises:
        NotFound, Invalid: no such build.
        Untrusted: a payload that is not what its description says.
        Refused: this version is there already, and is another.
    """
    if not layout.may_be_origin(origin):
        text, hint = "{origin} is no name for an origin", "lower-case letters, digits, '-', '_'; no role's own name"
        raise Invalid("origin_name", text, origin=origin, hint=hint)
    named = dict.fromkeys(_described(path) for path in builds)
    described = sorted((_read(path, origin) for path in named), key=lambda one: check_version(one[0].version))
    with workshop.open():
        did = [] if origin in workshop.delegated() else [trust.delegate(workshop, origin)]
        role = workshop.newest(origin, Targets) or Targets(1)
        for build, description, payload in described:
            did.append(_put(workshop, role, build, description, payload, bases))
        workshop.write(origin, role)
        return _done(workshop, did)


def promote(workshop: Workshop, package: str, channel: str) -> Done:
    """Let a channel point to NAME:VERSION, newer or older than before. Raises NotFound, Invalid."""
    role_name = f"{layout.CHANNEL}{channel}"
    if not layout.may_be_origin(channel) or not is_channel(channel):
        text, hint = "{channel} is no name for a channel", "such as stable: small letters, digits, - or _; no version"
        raise Invalid("channel_name", text, channel=channel, hint=hint)
    with workshop.open():
        build = _found(workshop, package)[0][0]
        did = [] if role_name in workshop.delegated() else [trust.delegate(workshop, role_name)]
        role = workshop.newest(role_name, Targets) or Targets(1)
        data = msgspec.json.encode(Pointer(build.version))
        _target(workshop, role, layout.pointer(channel, build.origin, build.name), data)
        workshop.write(role_name, role)
        return _done(workshop, [*did, f"{channel} points to {build.name}:{build.version}"])


def yank(workshop: Workshop, package: str, reason: str) -> Done:
    """Say why NAME:VERSION is not to be taken any more, on every platform. Raises NotFound, Invalid."""
    if not reason.strip():
        raise Invalid("yank_reason", "a version is taken back for a reason", hint="--reason 'what is wrong with it'")
    with workshop.open():
        found = _found(workshop, package)
        origin = found[0][0].origin
        role = workshop.newest(origin, Targets) or Targets(1)
        for build, _ in found:
            role.targets[build.description].unrecognized_fields["custom"] = {"yanked": reason.strip()}
        workshop.write(origin, role)
        build = found[0][0]
        return _done(workshop, [f"took {build.name}:{build.version} back: {reason.strip()}"])


def _described(path: Path) -> Path:
    """The description beside a file of a build."""
    stem = next((path.name.removesuffix(end) for end in ENDS if path.name.endswith(end)), None)
    if stem is None:
        raise Invalid("no_build", "{file} is no build", file=str(path), hint="NAME-VERSION-PLATFORM.tar.zst")
    return path.with_name(f"{stem}.json")


def _read(beside: Path, origin: str) -> tuple[Build, Description, Path]:
    try:
        description = msgspec.json.decode(beside.read_bytes(), type=Description)
    except OSError as error:
        text, hint = "{file} can't be read: {reason}", "a payload and its description lie side by side"
        raise NotFound("no_such_file", text, file=str(beside), reason=error.strerror, hint=hint) from None
    except (msgspec.DecodeError, ValueError) as error:
        text, hint = "{file} describes no package: {reason}", "make it anew: beeyard package build"
        raise Invalid("no_build", text, file=str(beside), reason=str(error), hint=hint) from None
    manifest = description.manifest
    build = Build(origin, manifest.name, manifest.version, manifest.platform)
    try:
        check_version(manifest.version)
    except ValueError as error:
        raise Invalid(
            "no_build", "{file}: its version is not {expected}", file=str(beside), expected=str(error)
        ) from None
    if layout.build(build.description) != build:
        text = "{file}: {name}:{version} can't be a folder's name"
        raise Invalid("no_build", text, file=str(beside), name=manifest.name, version=manifest.version)
    return build, description, beside.with_name(f"{beside.name.removesuffix('.json')}.tar.zst")


def _put(workshop: Workshop, role: Targets, build: Build, description: Description, payload: Path, bases: int) -> str:
    placed = replace(
        description,
        payload=replace(description.payload, name=build.payload(description.payload.sha256)),
        papers=tuple(replace(one, name=build.paper(one.kind, one.sha256)) for one in description.papers),
    )
    label = f"{build.name}:{build.version} for {build.platform}"
    there = build.description in role.targets
    if there:
        known = _known(workshop, role, build)
        if replace(known, papers=placed.papers, deltas=()) != placed:
            text = "{origin} has another {build} already"
            hint = "what is published never changes: give it a new version"
            raise Refused("version_taken", text, origin=build.origin, build=label, hint=hint)
        if known.papers != placed.papers:  # the same files, made of another commit: what was said of them stays
            return f"{build.origin} has {label} already, from an earlier build"
    papers.copy(workshop.folder, build, description, payload.parent)
    stored = workshop.folder / layout.TARGETS / placed.payload.name
    try:
        whole = files.copy(payload, stored, placed.payload.size, placed.payload.sha256)
    except FileNotFoundError:
        raise papers.missing(payload) from None
    if not whole:
        raise papers.differs(payload)
    told = f"added {label} to {build.origin}"
    if there:
        return told
    older = deltas.before(build, [found for path in role.targets if (found := layout.build(path))], bases)
    made = tuple(deltas.made(workshop.folder, build, placed, [_known(workshop, role, one) for one in older]))
    _target(workshop, role, build.description, msgspec.json.encode(replace(placed, deltas=made)))
    return told + "".join(f", with a delta of {human_memory(one.size)}" for one in made)


def _known(workshop: Workshop, role: Targets, build: Build) -> Description:
    """As it was put there. Raises Unavailable."""
    path = build.description
    file = workshop.folder / layout.stored(path, role.targets[path].hashes["sha256"])
    try:
        return msgspec.json.decode(file.read_bytes(), type=Description)
    except (OSError, msgspec.DecodeError) as error:
        text, hint = "{file} can't be read: {reason}", "bring it back from a copy of the repository"
        raise Unavailable("repository_incomplete", text, hint=hint, file=str(file), reason=str(error)) from None


def _target(workshop: Workshop, role: Targets, path: str, data: bytes) -> None:
    target = TargetFile.from_data(path, data, ["sha256"])
    files.write(workshop.folder / layout.stored(path, target.hashes["sha256"]), data)
    role.targets[path] = target


def _found(workshop: Workshop, package: str) -> list[tuple[Build, TargetFile]]:
    """All builds of NAME:VERSION, of the first origin that has the package."""
    name, _, version = package.partition(":")
    try:
        wanted(package)
        check_version(version)
    except ValueError:
        raise Invalid("usage", "{given}: expected NAME:VERSION", given=package, hint="such as caddy:2.11.4") from None
    known: list[str] = []
    for role in workshop.delegated():
        targets = workshop.newest(role, Targets)
        builds = (
            [(found, target) for path, target in targets.targets.items() if (found := layout.build(path))]
            if targets
            else []
        )
        of_name = [(build, target) for build, target in builds if build.name == name]
        if of_name:
            if same := [(build, target) for build, target in of_name if build.version == version]:
                return same
            known = [build.version for build, _ in of_name]
            break
    hint = f"it has {', '.join(dict.fromkeys(known))}" if known else "add it first: beeyard repo add"
    raise NotFound(
        "no_such_package", "{folder} has no {package}", folder=str(workshop.folder), package=package, hint=hint
    )


def _done(workshop: Workshop, did: list[str]) -> Done:
    return Done(did, f"beeyard repo publish {workshop.folder}")
