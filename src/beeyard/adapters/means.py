"""What a provider is given to work with, and what a package manager is."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from msgspec import Struct

from beeyard.adapters.host.launcher import LauncherClient
from beeyard.domain.packages import Manifest, Platform
from beeyard.domain.sources import RepositorySpec
from beeyard.ports.invitations import Invitations
from beeyard.ports.notify import Notices
from beeyard.ports.resolver import Resolver
from beeyard.ports.secrets import Secrets


class Means(Struct, frozen=True):
    """Each takes what it needs."""

    launcher: LauncherClient
    secrets: Secrets
    notices: Notices
    invitations: Invitations


class PackageMeans(Struct, frozen=True):
    """Each takes what it needs. `root`: the folder below which all of them keep what they have; `shown`: a repository
    with the secrets that it is shown, and its mirrors; `read`: what the package file of a folder says, and raises
    NotFound if there is none, Invalid if it is wrong."""

    root: Path
    platform: Platform
    shown: Callable[[RepositorySpec], Awaitable[RepositorySpec]]
    resolver: Callable[[], Resolver]
    read: Callable[[str], Manifest]
