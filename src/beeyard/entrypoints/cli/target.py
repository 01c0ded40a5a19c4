"""Which master a command is about, and how another command about the same one is typed."""

import os
from typing import TYPE_CHECKING

from beeyard.domain.errors import Invalid
from beeyard.entrypoints import place
from beeyard.launcher.paths import Paths, default_state

if TYPE_CHECKING:
    from beeyard.entrypoints.http.client import Client


class Target:
    """The master of a state folder, or the one at a URL."""

    def __init__(self, paths: Paths, url: str = "") -> None:
        self.url = url
        self._paths = paths

    @property
    def paths(self) -> Paths:
        """For what takes more than asking. Raises Invalid for a master at a URL."""
        if self.url:
            text, hint = "this is done on the host itself, not through {url}", "there, without --url and BEEYARD_URL"
            raise Invalid("not_by_url", text, url=self.url, hint=hint)
        return self._paths

    @property
    def name(self) -> str:
        """The state folder, or the URL."""
        return self.url or self._paths.state

    def client(self, reason: str = "", *, patient: bool = True) -> "Client":
        """`patient`: it waits for a master that is being started again. Raises Invalid for a URL that is none."""
        from beeyard.entrypoints.cli import client
        from beeyard.entrypoints.http.client import Client
        from beeyard.entrypoints.http.question import RETURN

        returning = RETURN if patient else 0.0
        if not self.url:
            return client.Client(self._paths, returning, reason)
        return Client(
            url=self.url,
            ca=os.environ.get("BEEYARD_CA"),
            certificate=os.environ.get("BEEYARD_CERTIFICATE"),
            operator=client.operator(),
            reason=reason,
            returning=returning,
        )

    def command(self, words: str) -> str:
        """A command line, to be typed as it stands."""
        if not self.url:
            return place.command(self._paths, words)
        if self.url == os.environ.get("BEEYARD_URL"):
            return f"beeyard {words}"
        import shlex

        return f"beeyard --url {shlex.quote(self.url)} {words}"


def chosen(state_dir: str | None, url: str | None) -> Target:
    """What the command line says goes before what the environment says. Raises Invalid for both at once."""
    if state_dir and url:
        raise Invalid("usage", "a master is asked at its state folder or at its URL, not at both")
    found = url or ("" if state_dir else os.environ.get("BEEYARD_URL", ""))
    return Target(Paths(state_dir or default_state()), found)
