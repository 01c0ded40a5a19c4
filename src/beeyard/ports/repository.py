"""Where packages come from. A repository tells what there is and vouches for it; it fetches and installs nothing.

A repository's errors: `Unavailable` when it could not be reached or was too slow, `Untrusted` when what it said is not
to be believed; both name the repository. What is not there is an empty answer, never an error.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from beeyard.domain.packages import Description, Payload, Trust


class Offer(Struct, frozen=True):
    """One build that a repository has: a version of a package for one platform. `yanked` says why it is not to be taken
    unless somebody names that very version; empty: it is fine. `channels` that point to this version."""

    name: str
    version: str
    platform: str
    yanked: str = ""
    channels: tuple[str, ...] = ()


class Source(Struct, frozen=True):
    """Where a payload can be read: a URL (http, https, file), and what has to be sent to that origin and no other.

    `headers` hold credentials; `certificate` and `key` are files of a client certificate. `name`: what people know it
    by, where the URL does not say that. `offset`: where it begins, in a file of this host that holds more than it, and
    `stamp`: which file that is, by its inode and the nanosecond of its last change. `spare`: there are others to be
    asked, so that one try in vain is enough.
    """

    url: str
    headers: Mapping[str, str] = {}
    certificate: str = ""
    key: str = ""
    name: str = ""
    offset: int | None = None
    stamp: tuple[int, int] | None = None
    spare: bool = False


class Repository(Protocol):
    """One place, as the worker file names it."""

    @property
    def name(self) -> str: ...

    @property
    def trust(self) -> Trust:
        """How far this repository can vouch for what it says."""
        ...

    async def refresh(self) -> None:
        """Bring what is known of it up to date. Raises Unavailable, Untrusted."""
        ...

    async def recall(self) -> float | None:
        """Know again what the last `refresh` of any process brought, verified anew, and from now on ask nobody.

        When that was, in wall-clock seconds; None: nothing is kept that is still good.
        """
        ...

    async def packages(self) -> list[str]:
        """The names of all packages that it has, as of the last `refresh`. Raises Unavailable, Untrusted."""
        ...

    async def offers(self, package: str) -> list[Offer]:
        """Every build of this package, as of the last `refresh`. Raises Unavailable, Untrusted."""
        ...

    async def describe(self, offer: Offer) -> Description:
        """What the repository vouches for. Raises Unavailable, Untrusted."""
        ...

    def sources(self, file: Payload) -> Sequence[Source]:
        """Where the payload of a description lies, or a delta; several where it lies in several places, in the order in
        which they are to be asked. Reads the disk: to be called in a thread where others wait for this one."""
        ...
