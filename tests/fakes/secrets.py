"""Secrets in memory, that fail when a test says so."""

from collections.abc import Mapping

from beeyard.domain.errors import Rejected
from beeyard.domain.master import SecretSource
from beeyard.domain.secrets import Secret


class FakeSecrets:
    """Script it: `values`; a name that has none can't be had. `fetched` tells which were asked for, in order."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.sources: dict[str, SecretSource] = {}
        self.fetched: list[str] = []

    def define(self, sources: Mapping[str, SecretSource]) -> None:
        self.sources = dict(sources)

    async def fetch(self, name: str) -> Secret:
        self.fetched.append(name)
        if name not in self.sources:
            raise Rejected("no_such_secret", "there is no secret {name}", name=name)
        if name not in self.values:
            raise Rejected("secret_unavailable", "secret {name} can't be had", name=name)
        return Secret(self.values[name])

    def withheld(self) -> frozenset[str]:
        return frozenset(source.env for source in self.sources.values() if source.env)
