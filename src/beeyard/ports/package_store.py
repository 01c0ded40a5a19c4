"""The packages on this host: folders that never change once they are there, and a receipt for each that is complete.

Only the receipt counts: a folder without one is rubbish. All methods may be called by several processes at once.
"""

from contextlib import AbstractAsyncContextManager
from typing import Literal, NamedTuple, Protocol

from msgspec import Struct

from beeyard.domain.packages import Description, Receipt, Trust

Depth = Literal["receipt", "sizes", "digests"]
"""How thoroughly an installed package is looked at."""


class Damage(Struct, frozen=True):
    """One file that is not as the description says: missing, extra, changed, mode, link or kind."""

    path: str
    what: str


class Reclaimed(Struct, frozen=True):
    """What a collection took, or would take: the packages (name, version), and their bytes."""

    packages: tuple[tuple[str, str], ...]
    size: int


class Base(NamedTuple):
    """What is installed, and its folder: what a patch starts from."""

    folder: str
    description: Description


class PackageStore(Protocol):
    """One folder of packages.

    Its errors: Rejected (no room), Untrusted (a payload is not what was described), Unavailable (the disk, a lock).
    """

    def recover(self) -> None:
        """Sweep what a process that died left half done. Before anything else, once a start."""
        ...

    def receipts(self) -> list[Receipt]:
        """All that is installed."""
        ...

    def find(self, name: str, version: str) -> Receipt | None: ...

    def path(self, receipt: Receipt) -> str:
        """The folder of an installed package, absolute."""
        ...

    def locked(self, name: str) -> AbstractAsyncContextManager[None]:
        """Nobody else installs, repairs or removes this package meanwhile, in whatever process."""
        ...

    async def install(
        self, description: Description, payload: str, repository: str, trust: Trust, base: Receipt | None = None
    ) -> Receipt:
        """Unpack a payload that was verified, and make it an installed package. Under `locked`. Harmless twice.

        With a `base` the payload is a patch of that package. The outcome is compared with the signed list in any case.

        Whatever happens on the way, what was installed before is as it was.

        Raises:
            Rejected: not enough room, told before anything is written; or the disk is full after all.
            Untrusted: the archive is hostile, or does not hold what the description says.
        """
        ...

    async def hold(self, receipt: Receipt, why: str) -> Receipt:
        """Note why it stays although no worker needs it; empty: it need not. Under `locked`. Raises NotFound."""
        ...

    async def use(self, receipt: Receipt, owner: str) -> None:
        """Keep it from being removed as long as this process lives. Before something is started from it.

        Raises:
            NotFound: it was removed meanwhile.
        """
        ...

    async def disuse(self, receipt: Receipt, owner: str) -> None:
        """This owner does not use it any more. Harmless twice."""
        ...

    async def verify(self, receipt: Receipt, depth: Depth) -> list[Damage]: ...

    async def repair(self, receipt: Receipt, payload: str) -> list[Damage]:
        """Put a whole one in place of a damaged one, which goes to quarantine. Under `locked`. What was mended."""
        ...

    async def remove(self, receipt: Receipt) -> None:
        """Under `locked`. Raises Refused while something of it runs or an owner uses it. Harmless twice."""
        ...

    async def collect(self, needed: frozenset[str], *, keep: int, dry_run: bool) -> Reclaimed:
        """Remove what nobody needs (`needed` are digests), holds or uses, but the newest `keep` of each package.

        What was installed lately stays too. Raises Unavailable while somebody installs, after waiting a while.
        """
        ...
