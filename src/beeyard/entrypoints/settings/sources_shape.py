"""The block `package_manager:`, key by key, as written; see `shape`."""

from typing import Annotated

from msgspec import Meta, Struct, field

from beeyard.domain.packages import Trust
from beeyard.domain.sources import PackagePolicies, RepositoryTrust
from beeyard.entrypoints.settings.shape import Name, Positive, Size
from beeyard.entrypoints.settings.tree import Node

_POLICIES = PackagePolicies()

Pattern = Annotated[str, "pattern"]
Account = Annotated[str, "account"]


class Shown(Struct):
    """What a server wants to see."""

    username: Account = ""
    password: Node | None = None
    token: Node | None = None
    certificate: Annotated[str, "file"] = ""
    key: Annotated[str, "file"] = ""
    netrc: Annotated[str, "file"] = ""


class Mirror(Shown):
    """One of the `mirrors:` of a repository, where it is more than a URL."""

    url: Node | None = None
    neighbour: Node | None = None


class Repository(Shown, kw_only=True):
    """One of `repositories:`; `trusted: true` is the older spelling of `trust: tuf`."""

    name: Name
    manager: Node | None = None
    url: Node | None = None
    path: Annotated[str, "new file"] = ""
    mirrors: tuple[Node, ...] = ()
    serve: Size | None = None
    root: Annotated[str, "file"] = ""
    suite: str = ""
    components: tuple[str, ...] = ()
    unpacked: bool = False
    python: str = ""
    extras: tuple[str, ...] = ()
    packages: tuple[Pattern, ...] = ("*",)
    trust: RepositoryTrust | None = None
    trusted: bool = True
    auth_required: bool = False


class Policies(Struct):
    """`policies:` of the package manager."""

    auto_update: bool = _POLICIES.auto_update
    allow_downgrades: bool = _POLICIES.allow_downgrades
    installation_timeout: Positive = _POLICIES.installation_timeout
    max_concurrent_installs: Annotated[int, Meta(ge=1, le=100, description="a whole number from 1 to 100")] = (
        _POLICIES.max_concurrent_installs
    )
    required_trust: Trust = _POLICIES.required_trust


class PackageManager(Struct):
    """`package_manager:`; its `type` is the `manager` of repositories that name none, `config` is of older files.

    With `type: docker` a `config` names the one registry that all packages come from.
    """

    type: Node | None = None
    config: dict[str, Node] = field(default_factory=dict)
    repositories: Node | None = None
    policies: Policies = field(default_factory=Policies)
