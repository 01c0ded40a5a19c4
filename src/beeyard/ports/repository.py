"""Where packages come from. A repository tells what there is and vouches for it; it fetches and installs nothing.

A repository's errors: `Unavailable` when it could not be reached or was too slow, `Untrusted` when what it said is not
to be believed; both name the repository. What is not there is an empty answer, never an error.
"""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from beeyard.domain.packages import Description, Trust


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
    by, where the URL does not say that.
    """

    url: str
    headers: Mapping[str, str] = {}
    certificate: str = ""
    key: str = ""
    name: str = ""


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

    def source(self, description: Description) -> Source:
        """Where the payload of a description lies."""
        ...
