"""Where packages may come from, and under which policies: values of the worker file, and the rules between them.

Every package name belongs to one repository, by the longest prefix that binds it. A name that two repositories could
answer for belongs to none of them until the operator says which: the highest version wins nothing here.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct

from beeyard.domain.errors import Refused
from beeyard.domain.locked import Lock
from beeyard.domain.packages import TRUST, Trust
from beeyard.domain.spec import Label, Line, Path, Span
from beeyard.domain.values import Duration, Memory

Pattern = Annotated[
    str,
    Meta(pattern=r"^[a-z0-9_-]{0,63}\*?(?!\n)$", description="a package's name, or its beginning and '*'"),
]


RepositoryTrust = Literal["tuf", "cosign", "gpg", "unsigned"]
"""By whose signatures it is known to be right."""


class Credentials(Struct, frozen=True, omit_defaults=True):
    """What a private repository wants to see, and no other gets. Password and token may be a `${secret:NAME}`."""

    username: Line = ""
    password: Line = ""
    token: Line = ""
    certificate: Path = ""
    key: Path = ""
    netrc: Path = ""

    def __repr__(self) -> str:
        return "Credentials(…)"  # in no log and no traceback


class Mirror(Struct, frozen=True, omit_defaults=True):
    """Where else files of a repository lie, and what is shown there alone. `neighbour`: it is another Beeyard, which is
    asked for files only; else it has a copy of the repository."""

    url: Line
    neighbour: bool = False
    credentials: Credentials = Credentials()


class RepositorySpec(Struct, frozen=True, omit_defaults=True):
    """One repository: at a `url`, or in a folder, `path`. `root` is the file with the root that is trusted at first.
    `mirrors` are asked before it, and see no credentials but their own. `serve`: of what comes from there so many bytes
    are kept, for neighbours to ask for.

    `packages` says which names belong to it. `trust: unsigned` takes what nobody signed. `manager` says how packages
    come from there: `directory` takes a folder of folders, each with its package.yaml, as they stand, and `oci` takes
    the images of a registry, below the path of its URL; with `trust: cosign`, `root` is the key that signs them. `apt`
    and `dnf` take packages of that kind; with `trust: gpg`, `root` is the key of the index; without a place it is what
    the host itself has. `suite` and `components` are apt's. `unpacked`: into our own store, and not into the system.
    `python` takes wheels, from an index or a folder, for the Python that is named so (empty: Beeyard's own), with
    these `extras`, such as `uvicorn[standard]`.
    """

    name: Label
    manager: Label = "binary"
    url: Line = ""
    path: Path = ""
    mirrors: Annotated[tuple[Mirror, ...], Meta(max_length=100)] = ()
    serve: Memory = Memory(0)
    root: Path = ""
    suite: Line = ""
    components: Annotated[tuple[Line, ...], Meta(max_length=100)] = ()
    unpacked: bool = False
    packages: Annotated[tuple[Pattern, ...], Meta(max_length=1000)] = ("*",)
    trust: RepositoryTrust = "tuf"
    credentials: Credentials = Credentials()
    python: Line = ""
    extras: Annotated[tuple[Line, ...], Meta(max_length=1000)] = ()


class PackagePolicies(Struct, frozen=True, omit_defaults=True):
    """What holds for every install, whatever a request says: a request may ask for less, never for more."""

    auto_update: bool = False
    allow_downgrades: bool = False
    installation_timeout: Span = Duration(600.0)
    max_concurrent_installs: Annotated[int, Meta(ge=1, le=100)] = 3
    required_trust: Trust = "none"


class PackagesSpec(Struct, frozen=True, omit_defaults=True):
    """`package_manager:` of a worker file, and the lock file beside it."""

    repositories: Annotated[tuple[RepositorySpec, ...], Meta(max_length=100)] = ()
    policies: PackagePolicies = PackagePolicies()
    locked: Lock = Lock()


def binds(pattern: str, package: str) -> int:
    """How many letters of the name the pattern names, one more if all of it; -1 if it does not fit."""
    if pattern.endswith("*"):
        return len(pattern) - 1 if package.startswith(pattern[:-1]) else -1
    return len(pattern) + 1 if package == pattern else -1


def bound(package: str, repositories: Sequence[RepositorySpec]) -> RepositorySpec | None:
    """The one repository for this name, None if none may have it. Raises Refused when two are as good as each other."""
    ranked = sorted(
        (
            (max(binds(pattern, package) for pattern in found.packages), found)
            for found in repositories
            if found.packages
        ),
        key=lambda pair: -pair[0],
    )
    if not ranked or ranked[0][0] < 0:
        return None
    best = [found for length, found in ranked if length == ranked[0][0]]
    if len(best) > 1:
        raise Refused(
            "package_in_two_repositories",
            "{package} could come from {repositories}",
            package=package,
            repositories=" and from ".join(found.name for found in best),
            hint=f"write {package} into `packages:` of the one that it is to come from",
        )
    return best[0]


def enough(trust: Trust, required: Trust) -> bool:
    """Whether one level of trust is at least another."""
    return TRUST.index(trust) >= TRUST.index(required)
