"""Bring packages onto this host."""

from typing import TYPE_CHECKING

from msgspec import Struct

from beeyard.application.operation import Call, Operation, Request, Seconds
from beeyard.application.operations.package_views import Packages, PackageView, package_view
from beeyard.application.packages.asked import install
from beeyard.application.packages.status import PackageStatus
from beeyard.application.packages.wishes import Wish
from beeyard.domain.packages import Target, wanted
from beeyard.domain.resolution import Ask

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Installation(Struct, frozen=True):
    """What is there now, and of that what had to be brought; `joined`: what somebody else had brought meanwhile."""

    packages: list[PackageView]
    fresh: list[str]
    joined: list[str] = []


class PackageInstall(Request[Installation]):
    """Packages, each perhaps with a version or a range. `downgrade`: an older version than the one that is there will
    do, where the policies allow that; `force`: bring it again; `newest`: not what is installed if there is a newer one;
    `target`: only one that runs as this.
    """

    packages: Packages
    timeout: Seconds = 600.0
    downgrade: bool = False
    force: bool = False
    newest: bool = False
    target: Target | None = None


async def package_install(master: "Master", request: PackageInstall, call: Call) -> Installation:
    """Install packages and what they need; they stay until they are uninstalled.

    Raises:
        NotFound: no repository has one.
        Refused: versions do not go together, a policy forbids it, or one does not run as what it is wanted for.
        Untrusted: what came is not what was signed.
        Unavailable: a repository does not answer, or it takes too long.
    """
    asks = [Ask(wanted(text), newest=request.newest or ":latest" in text) for text in request.packages]
    wish = Wish(request.timeout or None, request.downgrade, request.force, target=request.target)

    def tell(status: PackageStatus) -> None:
        call.tell("progress", {"package": status})

    caller = call.caller
    because = caller.reason or f"{caller.by} asked for it"
    ensured = await install(master.packages, master.audit, asks, wish, tell, by=caller.by, because=because)
    there = {one.digest: one for one in master.packages.installed}
    views = [package_view(master, there.get(one.digest, one), call) for one in ensured.packages]
    return Installation(views, [str(one) for one in ensured.fresh], [str(one) for one in ensured.joined])


OPERATION = Operation("package_install", PackageInstall, package_install, role="operator", changes=True, install=True)
