"""The command line's own client: the public one, in the name of whoever is behind sudo."""

import os

from beeyard.entrypoints.http import client
from beeyard.entrypoints.http.question import RETURN
from beeyard.launcher.paths import Paths


class Client(client.Client):
    """Asks the master of a state folder. `returning` is how long it waits for one that is being started again."""

    def __init__(self, paths: Paths, returning: float = RETURN, reason: str = "") -> None:
        super().__init__(state_dir=paths.state, operator=operator(), reason=reason, returning=returning)
        self.paths = paths


def operator() -> str:
    """Who became somebody else to ask this; empty where nobody did."""
    return os.environ.get("SUDO_USER") or os.environ.get("DOAS_USER") or ""
