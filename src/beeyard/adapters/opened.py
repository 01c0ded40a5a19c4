"""What asks a repository, kept for as long as nothing changes in how the repository is described."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from beeyard.domain.sources import RepositorySpec

T = TypeVar("T")


class Opened(Generic[T]):
    """One for each repository, by its name; `opened` makes it from a spec."""

    def __init__(self, opened: Callable[[RepositorySpec], Awaitable[T]]) -> None:
        self._open = opened
        self._kept: dict[str, tuple[RepositorySpec, T]] = {}

    async def get(self, spec: RepositorySpec) -> T:
        """Raises what `opened` does."""
        known = self._kept.get(spec.name)
        if known is None or known[0] != spec:
            known = self._kept[spec.name] = spec, await self._open(spec)
        return known[1]

    async def anew(self, spec: RepositorySpec) -> T:
        """One that is not kept. Raises what `opened` does."""
        return await self._open(spec)

    def drop(self, spec: RepositorySpec) -> None:
        """Have it opened anew the next time."""
        self._kept.pop(spec.name, None)
