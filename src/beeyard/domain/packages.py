"""What a package is: its name and version, what it runs as, what it needs, and every file that it holds.

A package is described twice. `Manifest` is what its author writes; `Description` is what a repository signs: the
manifest, the list of all files with their digests, and the payload that holds them. Everything a host checks, before it
unpacks and at any time after, it checks against the description, never against what it noted itself.

`packaging` and `hashlib` are imported where they are needed: they cost a command line 15 and 5 ms.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from beeyard.domain.errors import Invalid
from beeyard.domain.values import Duration, Memory

if TYPE_CHECKING:
    from packaging.version import Version

NAME = r"^[a-z0-9][a-z0-9_-]{0,62}(?!\n)$"
NAME_EXPECTED = "1 to 63 lower-case letters, digits, '-' or '_', not beginning with '-' or '_'"
VERSION_EXPECTED = "a version such as 1.2.3"
RANGE_EXPECTED = "a version, `latest`, or a range such as >=2.1,<3"
REF_EXPECTED = "a package's name, then perhaps ':' and a version, `latest`, a channel, or a range such as >=2.1,<3"
PLATFORM = r"^(any|[a-z0-9]+-[a-z0-9_]+)(?!\n)$"
DIGEST = r"^[0-9a-f]{64}(?!\n)$"
_RELEASE = r"([0-9]{1,9}!)?[0-9]{1,9}(\.[0-9]{1,9}){0,5}"
_SUFFIX = r"((a|b|rc)[0-9]{1,9})?(\.post[0-9]{1,9})?(\.dev[0-9]{1,9})?"
_VERSION = rf"{_RELEASE}{_SUFFIX}"
_EXACT = rf"(==|!=) ?({_RELEASE}\.\*|{_VERSION}(\+[a-z0-9]{{1,20}}(\.[a-z0-9]{{1,20}}){{0,5}})?)"
_CLAUSE = rf"({_EXACT}|(<=|>=|<|>) ?{_VERSION}|~= ?[0-9]{{1,9}}(\.[0-9]{{1,9}}){{1,5}}{_SUFFIX})"
RANGE = rf"(latest|{_VERSION}|{_CLAUSE}(, ?{_CLAUSE}){{0,9}})"
_CHANNEL = r"[a-z][a-z0-9_-]{0,62}"
REF = rf"[a-z0-9][a-z0-9_-]{{0,62}}(:({RANGE}|{_CHANNEL}))?"
"""How a package is named, perhaps with a version, channel or range: everything like this can be read by `wanted`."""
ANY = "any"
"""The platform of what runs everywhere."""
LATEST = "latest"

PackageName = Annotated[str, Meta(pattern=NAME, description=NAME_EXPECTED, examples=["caddy"])]
VersionText = Annotated[str, Meta(min_length=1, max_length=64, description=VERSION_EXPECTED)]
Platform = Annotated[str, Meta(pattern=PLATFORM, description="`any`, or SYSTEM-MACHINE such as linux-x86_64")]
Digest = Annotated[str, Meta(pattern=DIGEST, description="64 hexadecimal digits")]
Ref = Annotated[
    str,
    Meta(
        pattern=rf"^{REF}(?!\n)$",
        max_length=512,
        description=REF_EXPECTED,
        examples=["caddy:>=2.11,<3"],
    ),
]
Text = Annotated[str, Meta(max_length=4096)]
Whereabouts = Annotated[str, Meta(max_length=65_536)]
"""By what a repository finds something again: perhaps the names and digests of many files."""
Epoch = Annotated[int, Meta(ge=0, le=1_000_000, description="a whole number from 0 to 1000000")]
Deployment = Literal["process", "module"]
Target = Literal["process", "module", "both"]
"""What somebody wants to run a package as."""
Trust = Literal["none", "checksum", "signature", "tuf"]
"""How far it is known that a package is what its publisher made, weakest first."""
TRUST: tuple[Trust, ...] = ("none", "checksum", "signature", "tuf")

InstallState = Literal["not_installed", "installing", "installed", "updating", "failed", "corrupted"]


class Dependency(Struct, frozen=True, omit_defaults=True):
    """Another package, or something of the host (`python3`, `glibc`, `kernel`), in this range of versions."""

    name: PackageName
    version: Annotated[str, Meta(max_length=256, description=RANGE_EXPECTED)] = ""
    required: bool = True


class ProcessEntry(Struct, frozen=True, omit_defaults=True):
    """How it runs as a process; both paths are relative to the package. `env`: NAME=VALUE each; what PATH names is
    looked for within the package first."""

    executable_path: Text
    args: tuple[Text, ...] = ()
    env: tuple[Text, ...] = ()
    working_directory: Text = ""


class ModuleEntry(Struct, frozen=True, omit_defaults=True):
    """How it runs within the master; the path is relative to the package."""

    module_path: Text
    entry_point: Text


class HealthCheck(Struct, frozen=True, omit_defaults=True):
    """What asks a worker of this package whether it is well, unless its spec says otherwise."""

    endpoint: Text
    interval: Duration = Duration(30.0)


class Check(Struct, frozen=True, omit_defaults=True):
    """What shows on a host that a build runs there, before it counts as installed: a program of it, by its path, and
    its arguments. It has to end well within `timeout`, and what it prints to have `prints` in it."""

    command: Annotated[tuple[Text, ...], Meta(min_length=1, max_length=64)]
    prints: Text
    timeout: Duration = Duration(10.0)


class Manifest(Struct, frozen=True, omit_defaults=True):
    """What the author of a package says of it. `min_memory` and `min_disk`: bytes that have to be free for it.

    `epoch`: which form of data it reads and writes; no version of a lower one can read what it wrote.
    `python_path`: the folder of it where Python finds its modules, if that is not the package itself.
    """

    name: PackageName
    version: VersionText
    platform: Platform = ANY
    description: Text = ""
    process: ProcessEntry | None = None
    module: ModuleEntry | None = None
    dependencies: tuple[Dependency, ...] = ()
    min_memory: Memory = Memory(0)
    min_disk: Memory = Memory(0)
    health_check: HealthCheck | None = None
    epoch: Epoch = 0
    python_path: Text = ""
    check: Check | None = None

    @property
    def supported_types(self) -> tuple[Deployment, ...]:
        """As what it can run."""
        entries: tuple[tuple[Deployment, object], ...] = (("process", self.process), ("module", self.module))
        return tuple(name for name, entry in entries if entry is not None)

    def lacks(self, target: Target) -> tuple[Deployment, ...]:
        """Of what it is to run as, that for which it has no entry."""
        wanted: tuple[Deployment, ...] = ("process", "module") if target == "both" else (target,)
        return tuple(name for name in wanted if name not in self.supported_types)


class FileEntry(Struct, frozen=True, omit_defaults=True):
    """One file, by its path in the package, `/` between folders; a link has a target and neither size nor digest."""

    path: Text
    size: Annotated[int, Meta(ge=0, le=2**50)] = 0
    sha256: str = ""
    executable: bool = False
    link: Text = ""


class Payload(Struct, frozen=True):
    """The archive that holds the files: its size in bytes, its SHA-256, and its name in the repository."""

    name: Whereabouts
    size: Annotated[int, Meta(ge=0, le=2**50)]
    sha256: Digest


class Delta(Payload, frozen=True):
    """What makes a build out of another one that is installed, smaller than its payload. `base`: that one's digest."""

    base: Digest


PaperKind = Literal["sbom", "provenance"]


class Paper(Payload, frozen=True):
    """What is known of a build besides its files: of which parts it is made, or what made it."""

    kind: PaperKind


class Description(Struct, frozen=True, omit_defaults=True):
    """One build of one version, as a repository signs it. `files` are sorted by path."""

    manifest: Manifest
    files: tuple[FileEntry, ...]
    payload: Payload
    papers: tuple[Paper, ...] = ()
    deltas: tuple[Delta, ...] = ()

    @property
    def digest(self) -> Digest:
        """Of what will lie on the host, however it was packed: manifest and files, not the payload."""
        import hashlib

        encoder = msgspec.json.Encoder(order="deterministic")
        return hashlib.sha256(encoder.encode([self.manifest, self.files])).hexdigest()

    @property
    def size(self) -> int:
        """Bytes of all files, unpacked."""
        return sum(entry.size for entry in self.files)

    @property
    def folder(self) -> str:
        """Where it lies in the store, below the package's name: `1.2.3-0123456789ab`."""
        return f"{self.manifest.version}-{self.digest[:12]}"


class Receipt(Struct, frozen=True):
    """That a package is on this host, complete and durable: written after everything else, deleted before it.

    `installed_at`: wall-clock seconds. `held` says why it stays although no worker needs it; empty: it need not.
    """

    description: Description
    repository: str
    trust: Trust
    installed_at: float
    held: str = ""


class Wanted(Struct, frozen=True):
    """What a worker file or a person asks for: `caddy`, `caddy:2.11.4`, `caddy:>=2.11,<3`, `caddy:latest`,
    `caddy:stable`.

    With a `channel` the repository says which version that is; then it becomes the range.
    """

    name: PackageName
    range: str = ""
    channel: str = ""

    def takes(self, candidate: str) -> bool:
        """Whether this version is one of those asked for. Pre-releases only where they are named."""
        from packaging.specifiers import SpecifierSet

        return not self.range or SpecifierSet(self.range).contains(candidate)

    def __str__(self) -> str:
        return f"{self.name}:{self.channel or self.range or LATEST}"

    @property
    def told(self) -> str:
        """As people write it: `caddy`, `caddy 2.1`, `caddy >=2,<3`, `caddy 2.1 (stable)`."""
        told = f"{self.name} {self.range.removeprefix('==')}".rstrip()
        return f"{told} ({self.channel})" if self.channel else told


def version(text: str) -> "Version":
    """Raises ValueError with what was expected."""
    from packaging.version import InvalidVersion, Version

    try:
        return Version(text)
    except InvalidVersion:
        raise ValueError(VERSION_EXPECTED) from None


def range_of(text: str) -> str:
    """A range in one spelling, from below upwards; a version alone means just that one, `latest` and nothing any.

    Raises ValueError.
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion, Version

    text = text.strip()
    if text in ("", LATEST):
        return ""
    try:
        return f"=={Version(text)}"
    except InvalidVersion:
        pass
    try:
        parts = map(str, SpecifierSet(text))
        return ",".join(sorted(parts, key=lambda part: (part.startswith("!"), part.startswith("<"), part)))
    except InvalidSpecifier:
        raise ValueError(RANGE_EXPECTED) from None


def needed_range(manifest: Manifest, need: Dependency) -> str:
    """In which range a package needs another one. Raises Invalid: `package_range`, nobody can read it."""
    try:
        return range_of(need.version)
    except ValueError as error:
        text = "{package}: dependencies.{name}.version: found '{found}', expected {expected}"
        package, hint = f"{manifest.name} {manifest.version}", "its maker mends its package.yaml: take another version"
        raise Invalid(
            "package_range", text, hint=hint, package=package, name=need.name, found=need.version, expected=str(error)
        ) from None


def wanted(text: str) -> Wanted:
    """`name`, `name:range` or `name:channel`. Raises ValueError with what was expected."""
    name, _, rest = text.partition(":")
    if not re.fullmatch(NAME, name):
        raise ValueError(f"{NAME_EXPECTED}, and after ':' {RANGE_EXPECTED}")
    return Wanted(name, channel=rest) if is_channel(rest) else Wanted(name, range_of(rest))


def is_channel(text: str) -> bool:
    """Whether it is a word that a repository may give a meaning: neither `latest` nor a version, such as `v1`."""
    from packaging.version import InvalidVersion, Version

    if text == LATEST or not re.fullmatch(_CHANNEL, text):
        return False
    try:
        Version(text)
    except InvalidVersion:
        return True
    return False


def newest(versions: Iterable[str]) -> str | None:
    """The highest one that is no pre-release; of pre-releases alone the highest; None of none."""
    found = sorted(map(version, versions), key=lambda found: (not found.is_prerelease, found))
    return str(found[-1]) if found else None


def runs_on(platform: str, host: str) -> bool:
    """Whether a package of this platform runs on this host's."""
    return platform in (ANY, host)
