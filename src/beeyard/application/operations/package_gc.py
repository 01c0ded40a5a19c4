"""Free the space of packages that nobody needs."""

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from beeyard.application.operation import Call, Operation, Request

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Freed(Struct, frozen=True):
    """The packages that were removed, or would be, and the bytes of their files."""

    packages: list[str]
    size: int


class PackageGc(Request[Freed]):
    """`keep`: so many versions of each package stay in any case. With `dry_run` nothing is removed."""

    keep: Annotated[int, Meta(ge=1, le=1000, description="a whole number from 1 to 1000")] = 2
    dry_run: bool = False


async def package_gc(master: "Master", request: PackageGc, call: Call) -> Freed:
    """Remove packages that no worker runs from and nobody installed by hand.

    The newest versions of each stay, and what came in the last hour.

    Raises:
        Unavailable: something is just being installed.
    """
    await master.packages.look()
    found = await master.packages.collect(master.supplies.needed(), keep=request.keep, dry_run=request.dry_run)
    names = [f"{name} {version}" for name, version in found.packages]
    for name in names if not request.dry_run else ():
        await master.audit.noted("package_removed", "nobody needed it", {"package": name})
    return Freed(names, found.size)


OPERATION = Operation("package_gc", PackageGc, package_gc, role="operator", changes=True, install=True)
