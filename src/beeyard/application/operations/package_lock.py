"""Which builds a lock file should name."""

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta, Struct

from beeyard.application.operation import Call, Name, Operation, Request
from beeyard.domain.locked import Lock
from beeyard.domain.packages import PackageName, Ref, wanted
from beeyard.domain.resolution import Ask
from beeyard.domain.sources import PackagesSpec

if TYPE_CHECKING:
    from beeyard.application.master import Master


class Runs(Struct, frozen=True):
    """A worker, and the package that it runs from."""

    worker: Name
    package: Ref


class PackageLock(Request[Lock]):
    """What a worker file says of packages, with the lock that it has. `update`: packages whose locked versions do not
    count; `update_all`: none counts.
    """

    runs: Annotated[list[Runs], Meta(max_length=10_000, examples=[[{"worker": "web", "package": "caddy"}]])]
    packages: Annotated[PackagesSpec, Meta(examples=[{}])]
    update: Annotated[list[PackageName], Meta(max_length=1000)] = msgspec.field(default_factory=list)
    update_all: bool = False


async def package_lock(master: "Master", request: PackageLock, call: Call) -> Lock:
    """Choose the builds for a lock file: what it has is kept while it fits, and nothing is installed.

    Raises:
        NotFound: no repository has a package.
        Refused: versions do not go together, or a repository names a package manager that is not here.
        Untrusted: what a repository says is not to be believed.
        Unavailable: a repository does not answer.
    """
    master.packages.require_managers(request.packages)
    asks = {one.package: Ask(wanted(one.package), one.worker) for one in reversed(request.runs)}
    before = request.packages.locked.packages
    renewed = {one.name for one in before} if request.update_all else set(request.update)
    return await master.packages.lock([asks[name] for name in sorted(asks)], request.packages, renewed)


OPERATION = Operation("package_lock", PackageLock, package_lock, role="operator", install=True)
"""It may be told to look into any repository: for who may install."""
