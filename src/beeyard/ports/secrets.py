"""Where secrets come from. Their values are fetched anew each time and kept nowhere."""

from collections.abc import Mapping
from typing import Protocol

from beeyard.domain.master import SecretSource
from beeyard.domain.secrets import Secret


class Secrets(Protocol):
    """Secrets by name."""

    def define(self, sources: Mapping[str, SecretSource]) -> None:
        """From now on these are all there are. Each source is exactly one of file, env and command."""
        ...

    async def fetch(self, name: str) -> Secret:
        """Its value now; never empty, and without NUL bytes, which no environment can hold.

        Cancelled, nothing of it goes on.

        Raises:
            Rejected: `no_such_secret`, `secret_unavailable`. The text says which secret, which source and what to do,
                and holds nothing that came from the source.
        """
        ...

    def withheld(self) -> frozenset[str]:
        """The variables of our own environment that hold secrets: no worker may inherit them."""
        ...
