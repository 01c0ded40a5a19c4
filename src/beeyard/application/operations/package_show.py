"""All there is to know of one package."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, get_args

from msgspec import Struct

from beeyard.application.operation import Call, Operation, Request
from beeyard.application.operations.package_views import PackageView, package_view
from beeyard.application.packages.status import PackageStatus
from beeyard.domain.errors import BeeyardError, Invalid, NotFound
from beeyard.domain.packages import PackageName, PaperKind, Trust
from beeyard.ports.package_manager import Installed, Offered

if TYPE_CHECKING:
    from beeyard.application.master import Master


KINDS = get_args(PaperKind)


class Build(Struct, frozen=True):
    """One that can be had. `size`: bytes to bring; `yanked`: why it is not to be taken."""

    version: str
    platform: str
    channels: tuple[str, ...]
    size: int
    trust: Trust
    repository: str
    yanked: str = ""


class PackageDetail(Struct, frozen=True):
    """`status`: how the last install went, or goes. `sbom` and `provenance` of the newest version that is installed, or
    else to be had, where they were asked for: JSON, byte for byte as it was vouched for.

    `unknown`: why nobody can say what else there is; empty: this is all. `as_of`: when the repository said what is
    available, in wall-clock seconds, where that is not so now.
    """

    name: str
    installed: list[PackageView]
    available: list[Build]
    status: PackageStatus | None
    unknown: str
    as_of: float | None = None
    sbom: str = ""
    provenance: str = ""


class PackageShow(Request[PackageDetail]):
    """A package's name. `local`: ask no repository. `sbom`: of which parts it is made; `provenance`: what made it."""

    package: PackageName
    local: bool = False
    sbom: bool = False
    provenance: bool = False


async def package_show(master: "Master", request: PackageShow, call: Call) -> PackageDetail:
    """Show one package: what is installed of it, what there is, how its last install went.

    Raises:
        NotFound: nobody knows it, or it has no such paper.
        Invalid: `usage`, papers lie in the repository that is not to be asked.
    """
    name = request.package
    if request.local and (request.sbom or request.provenance):
        raise Invalid("usage", "papers lie in the repository of a package: it has to be asked")
    here = [one for one in await master.packages.look() if one.manifest.name == name]
    installed = [package_view(master, one, call) for one in here]
    available: Sequence[Offered] = ()
    unknown, as_of = "" if not request.local else "no repository was asked", None
    if not request.local:
        try:
            shelf = await master.packages.shown(name)
            available, unknown, as_of = shelf.offers, str(shelf.unknown or ""), shelf.as_of
        except BeeyardError as error:
            unknown = str(error)
    status = master.packages.statuses.get(name)
    if not installed and not available and (status is None or status.state == "failed"):
        text = "nothing is known of {package}: {reason}" if unknown else "there is no package {package}"
        raise NotFound("no_such_package", text, package=name, reason=unknown, hint="beeyard package search")
    papers = {kind: await _paper(master, name, here, available, kind) for kind in KINDS if getattr(request, kind)}
    builds = [
        Build(
            version=one.manifest.version,
            platform=one.manifest.platform,
            channels=one.channels,
            size=one.size,
            trust=one.trust,
            repository=one.repository,
            yanked=one.yanked,
        )
        for one in available
    ]
    return PackageDetail(name, installed, builds, status, unknown, as_of, **papers)


async def _paper(
    master: "Master", name: str, installed: Sequence[Installed], offered: Sequence[Offered], kind: PaperKind
) -> str:
    chosen: list[Installed | Offered] = [*(one for one in offered if one.digest), *installed]
    for one in chosen[-1:]:
        if (data := await master.packages.paper(one, kind)) is not None:
            return data.decode()
    text, hint = "{package} has no {kind}", "`beeyard package build` writes one since it knows of them: build it anew"
    package = f"{name} {chosen[-1].manifest.version}" if chosen else name
    raise NotFound("no_such_paper", text, hint=hint, package=package, kind=kind)


OPERATION = Operation("package_show", PackageShow, package_show, route="GET /v1/packages/{package}")
