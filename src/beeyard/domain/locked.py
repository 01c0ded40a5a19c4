"""Which builds were chosen once, so that every host takes the same: what a lock file says. Knows no file.

A package may be there in several versions, for workers that don't agree on one.

`shelves` is imported where it is needed: it loads `packaging`, which costs a command line 15 ms.
"""

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from beeyard.domain.packages import Digest, PackageName, Platform, Text, Trust, VersionText, Whereabouts, runs_on
from beeyard.domain.resolution import Ask


class Locked(Struct, frozen=True, omit_defaults=True):
    """One build; `digest` is its description's, and `repository` the one that vouched for it, this far.

    `channels`: those that named it, of those that somebody follows; `source`: by what the repository finds it again
    when it offers another build of this version.
    """

    name: PackageName
    version: VersionText
    platform: Platform
    digest: Digest
    repository: Text
    trust: Trust
    channels: Annotated[tuple[Text, ...], Meta(max_length=100)] = ()
    source: Whereabouts = ""


class Lock(Struct, frozen=True):
    """All of them, for all platforms; `lock` makes one."""

    packages: Annotated[tuple[Locked, ...], Meta(max_length=10_000)] = ()

    def builds(self, name: str, platform: str = "") -> list[Locked]:
        """All of one package; for one platform, or for any."""
        return [one for one in self.packages if one.name == name and (not platform or runs_on(one.platform, platform))]

    def find(self, name: str, version: str, platform: str) -> Locked | None:
        """The build to take of this version."""
        fitting = [found for found in self._of(platform) if (found.name, found.version) == (name, version)]
        return next((found for found in fitting if found.platform == platform), fitting[0] if fitting else None)

    def versions(self, asks: Iterable[Ask], platform: str) -> dict[str, str]:
        """By package, for a question: the newest that all who ask take; else the newest."""
        from beeyard.domain.shelves import takes, version

        asks = list(asks)
        best: dict[str, Locked] = {}

        def rank(found: Locked) -> tuple[bool, object]:
            ranges = [ask.wanted.range for ask in asks if ask.wanted.name == found.name]
            return all(takes(one, found.version) for one in ranges), version(found.version)

        for found in self._of(platform):
            best[found.name] = max(best.get(found.name, found), found, key=rank)
        return {name: found.version for name, found in best.items()}

    def renewed(self, chosen: Iterable[Locked], platform: str) -> "Lock":
        """With these for this platform in place of all that it had; what others have is kept."""
        others = (found for found in self.packages if not runs_on(found.platform, platform))
        return lock([*others, *chosen])

    def without(self, names: Iterable[str]) -> "Lock":
        """As if it did not name these packages."""
        gone = set(names)
        return Lock(tuple(found for found in self.packages if found.name not in gone))

    def _of(self, platform: str) -> list[Locked]:
        return [found for found in self.packages if runs_on(found.platform, platform)]


def lock(packages: Iterable[Locked]) -> Lock:
    """In one order, however they were found; each build once, with all its channels."""
    from beeyard.domain.shelves import version

    channels: dict[Locked, set[str]] = {}
    for one in packages:
        channels.setdefault(replace(one, channels=()), set()).update(one.channels)
    builds = (replace(one, channels=tuple(sorted(named))) for one, named in channels.items())
    found = sorted(builds, key=lambda one: (one.name, version(one.version), one.platform, one.digest))
    return Lock(tuple(found))
