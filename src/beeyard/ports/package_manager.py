"""How packages get onto a host. A manager knows one way, and says what is there; what is needed is decided elsewhere.

Its errors are those of what it asks: `Unavailable` when that could not be reached, `Untrusted` when what came is not to
be believed, `Rejected` when there is no room.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from msgspec import Struct

from beeyard.domain.locked import Locked
from beeyard.domain.packages import Manifest, PaperKind, Trust
from beeyard.domain.sources import RepositorySpec
from beeyard.ports.package_store import Damage, Depth, Reclaimed

Tell = Callable[[int | str], None]
"""Bytes that are there so far; or, in words, what has to be waited for, until that is over: then no word."""


class Offered(Struct, frozen=True):
    """One build that can be had. `digest` is that of its files, empty where nobody looked: it can't run here.

    `size`: bytes to bring; `yanked` says why it is not to be taken unless somebody names that very version; `source`
    is by what its repository finds it again when it offers it no more, empty where nothing is found so.
    """

    manifest: Manifest
    repository: str
    trust: Trust
    digest: str = ""
    size: int = 0
    yanked: str = ""
    channels: tuple[str, ...] = ()
    source: str = ""


class Remembered(Struct, frozen=True):
    """What a repository said at `at`, in wall-clock seconds, and what is still good: to be looked at, and never
    installed from. `names` of all packages; `offers`: the builds of the one that was asked for."""

    at: float
    names: tuple[str, ...]
    offers: tuple[Offered, ...] = ()


class Installed(Struct, frozen=True):
    """One package on this host, whole: its folder is `path`. `installed_at`: wall-clock seconds; `size`: bytes.

    `held` says why it stays although no worker needs it; empty: it need not. `packed`: bytes that bring it again.
    `image`: by what an engine of containers pulls it, digest included; empty where it is none. `saved`: bytes of that
    which need not have come, known right after it came.
    """

    manifest: Manifest
    digest: str
    path: str
    manager: str
    repository: str
    trust: Trust
    size: int
    installed_at: float
    held: str = ""
    packed: int = 0
    image: str = ""
    saved: int = 0

    def __str__(self) -> str:
        return f"{self.manifest.name} {self.manifest.version}"


class PackageManager(Protocol):
    """One way. All that changes something is harmless twice, and may be done by several processes at once."""

    @property
    def name(self) -> str:
        """The word in the worker file."""
        ...

    @property
    def settled(self) -> bool:
        """Whether what is installed stays as it is. If not, it is looked at anew before a start that somebody asked
        for, and no lock names it."""
        ...

    async def wake(self) -> None:
        """Sweep what a process that died left half done. Before anything else."""
        ...

    async def facts(self, repositories: Sequence[RepositorySpec]) -> list[Installed]:
        """All that is installed; asks nobody outside this host. `repositories` are all that there are."""
        ...

    async def offers(self, repository: RepositorySpec, package: str) -> list[Offered]:
        """Every build of this package, as the repository says it now. Raises Unavailable, Untrusted, Invalid."""
        ...

    async def former(self, repository: RepositorySpec, locked: Locked) -> Offered | None:
        """A build that was offered once and has a `source`, if it can still be had. Raises as `offers` does."""
        ...

    async def catalog(self, repository: RepositorySpec) -> list[str]:
        """The names of all packages there. Raises as `offers` does."""
        ...

    async def remembered(self, repository: RepositorySpec, package: str = "") -> Remembered | None:
        """What it said when it was reached last; asks nobody outside this host. None: nothing that is still good."""
        ...

    async def install(self, repository: RepositorySpec, offered: Offered, tell: Tell) -> Installed:
        """Bring it here. Whatever happens on the way, what was installed before is as it was."""
        ...

    async def use(self, installed: Installed, owner: str) -> None:
        """Keep it from being removed while this process lives. Raises NotFound if it was removed meanwhile."""
        ...

    async def disuse(self, installed: Installed, owner: str) -> None: ...

    async def hold(self, installed: Installed, why: str) -> Installed:
        """Note why it stays although no worker needs it; empty: it need not."""
        ...

    async def verify(self, installed: Installed, depth: Depth) -> list[Damage]: ...

    async def repair(self, repository: RepositorySpec, installed: Installed, tell: Tell) -> list[Damage]:
        """Put a whole one in place of a damaged one, from the same repository. What was mended."""
        ...

    async def remove(self, installed: Installed) -> None:
        """Raises Refused while something uses it."""
        ...

    async def collect(self, needed: frozenset[str], *, keep: int, dry_run: bool) -> Reclaimed:
        """Remove what nobody needs (`needed` are digests), holds or uses, but the newest `keep` of each package."""
        ...


@runtime_checkable
class Serves(Protocol):
    """A package manager that keeps files which came, of repositories whose spec says `serve`, for neighbours."""

    async def served(self, repositories: Sequence[RepositorySpec], sha256: str) -> str | None:
        """The path of a file with this digest; None: none of these repositories, which are all, serves it."""
        ...


@runtime_checkable
class Papers(Protocol):
    """A package manager whose packages may have papers, vouched for as they are themselves."""

    async def paper(self, repository: RepositorySpec, digest: str, kind: PaperKind) -> bytes | None:
        """One of a package that is installed, or was among its `offers`, as its repository has it; None: it has none.

        Raises Unavailable, Untrusted; NotFound if the package is neither.
        """
        ...
