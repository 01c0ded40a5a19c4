"""What a provider is given to work with."""

from msgspec import Struct

from beeyard.adapters.host.launcher import LauncherClient
from beeyard.ports.invitations import Invitations
from beeyard.ports.notify import Notices
from beeyard.ports.secrets import Secrets


class Means(Struct, frozen=True):
    """Each takes what it needs."""

    launcher: LauncherClient
    secrets: Secrets
    notices: Notices
    invitations: Invitations
