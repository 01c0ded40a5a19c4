"""Why a package is here."""

from typing import TYPE_CHECKING

from msgspec import Struct

from beeyard.application.operation import Call, Operation, Request
from beeyard.domain.packages import PackageName, wanted

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Because(Struct, frozen=True):
    """One way that leads to it, from who asks on: `web`, `gateway 1.9`, …; `range`: what the last of them takes, or
    the channel that it follows."""

    version: str
    chain: list[str]
    range: str


class Reasons(Struct, frozen=True):
    """`held`: who installed it by hand; empty: nobody. Without held and ways `gc` takes it in time."""

    package: str
    installed: list[str]
    held: list[str]
    ways: list[Because]


class PackageWhy(Request[Reasons]):
    """A package's name."""

    package: PackageName


async def package_why(master: "Master", request: PackageWhy, call: Call) -> Reasons:
    """Say who needs a package: which workers and packages, and who installed it by hand.

    Raises:
        NotFound: it is not installed, and nothing needs it.
        Unavailable: a repository does not answer.
    """
    name = request.package
    here = [one for one in await master.packages.look() if one.manifest.name == name]
    ways = [
        Because(one.supply.version, [one.id], one.spec.package.partition(":")[2])
        for one in (supervisor.worker for supervisor in master.supervisors.values())
        if one.spec.package
        and wanted(one.spec.package).name == name
        and one.supply is not None
        and call.caller.grant.sees(one.id)
    ]
    for other in master.packages.installed:
        ways += [
            Because(here[-1].manifest.version if here else "", [str(other)], need.version)
            for need in other.manifest.dependencies
            if need.name == name
        ]
    if not here and not ways:
        master.packages.require(name)
    return Reasons(name, [one.manifest.version for one in here], [one.held for one in here if one.held], ways)


OPERATION = Operation("package_why", PackageWhy, package_why)
