"""Puts builds under an origin, points channels to versions, and takes versions back. Readers see it after `publish`."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
from tuf.api.metadata import TargetFile, Targets

from beeyard.adapters.repositories import layout
from beeyard.adapters.repositories.index import Pointer
from beeyard.adapters.repositories.layout import Build
from beeyard.adapters.repositories.publishing import files, trust
from beeyard.adapters.repositories.publishing.workshop import Done, Workshop
from beeyard.domain.errors import Invalid, NotFound, Refused, Untrusted
from beeyard.domain.packages import Description, is_channel, wanted
from beeyard.domain.packages import version as check_version

SUFFIXES = (".tar.zst", ".json")


def add(workshop: Workshop, builds: Sequence[Path], origin: str) -> Done:
    """Builds of `beeyard package build`, named by payload or description. All of them, or none. Harmless twice.

    Raises:
        NotFound, Invalid: no such build.
        Untrusted: a payload that is not what its description says.
        Refused: this version is there already, and is another.
    """
    if not layout.may_be_origin(origin):
        text, hint = "{origin} is no name for an origin", "lower-case letters, digits, '-', '_'; no role's own name"
        raise Invalid("origin_name", text, origin=origin, hint=hint)
    described = [_read(path, origin) for path in builds]
    with workshop.open():
        did = [] if origin in workshop.delegated() else [trust.delegate(workshop, origin)]
        role = workshop.newest(origin, Targets) or Targets(1)
        for build, description, payload in described:
            did.append(_put(workshop, role, build, description, payload))
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


def _read(path: Path, origin: str) -> tuple[Build, Description, Path]:
    stem = next((path.name.removesuffix(end) for end in SUFFIXES if path.name.endswith(end)), None)
    if stem is None:
        raise Invalid("no_build", "{file} is no build", file=str(path), hint="NAME-VERSION-PLATFORM.tar.zst")
    beside = path.with_name(f"{stem}.json")
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
    return build, description, path.with_name(f"{stem}.tar.zst")


def _put(workshop: Workshop, role: Targets, build: Build, description: Description, payload: Path) -> str:
    size, sha256 = description.payload.size, description.payload.sha256
    placed = msgspec.structs.replace(description.payload, name=build.payload(sha256))
    data = msgspec.json.encode(msgspec.structs.replace(description, payload=placed))
    before = role.targets.get(build.description)
    label = f"{build.name}:{build.version} for {build.platform}"
    if before and before.hashes["sha256"] != hashlib.sha256(data).hexdigest():
        text, hint = "{origin} has another {build} already", "what is published never changes: give it a new version"
        raise Refused("version_taken", text, origin=build.origin, build=label, hint=hint)
    try:
        whole = files.copy(payload, workshop.folder / layout.TARGETS / placed.name, size, sha256)
    except FileNotFoundError:
        text, hint = "{file} is not there", "a payload and its description lie side by side"
        raise NotFound("no_such_file", text, file=str(payload), hint=hint) from None
    if not whole:
        text, hint = "{file} is not what its description says", "make both anew: beeyard package build"
        raise Untrusted("payload_differs", text, file=str(payload), hint=hint)
    if before is None:
        _target(workshop, role, build.description, data)
    return f"added {label} to {build.origin}"


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
