"""What somebody wants of packages, what came of it, and the word of it in the journal. Brings nothing itself.

The command line reads this too: nothing here loads an event loop.
"""

from typing import TYPE_CHECKING

from msgspec import Struct

from beeyard.domain.packages import Target
from beeyard.domain.resolution import Resolution
from beeyard.ports.package_manager import Installed

if TYPE_CHECKING:
    from beeyard.application.audit import Audit


class Wish(Struct, frozen=True):
    """How a package is to be had. None: as the policies say.

    `force`: bring it again although it is there. `downgrade`: an older version than the one there will do. `beside`:
    the one there is somebody else's, so that an older one is no downgrade. `target`: what it has to run as.
    """

    timeout: float | None = None
    downgrade: bool = False
    force: bool = False
    beside: bool = False
    target: Target | None = None


class Ensured(Struct, frozen=True):
    """What is there now: `packages` all that was asked for and what that needs, `fresh` those that were brought,
    `joined` those that were being brought for somebody else already."""

    packages: tuple[Installed, ...]
    fresh: tuple[Installed, ...]
    why: Resolution
    joined: tuple[Installed, ...] = ()


async def note(audit: "Audit", ensured: Ensured, why: str) -> None:
    """What was brought, in the journal."""
    for one in ensured.fresh:
        about = {"package": str(one), "repository": one.repository, "trust": one.trust, "digest": one.digest}
        await audit.noted("package_installed", why, about)
