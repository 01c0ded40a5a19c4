"""What repositories offer of the packages that somebody wants, and of all that these need: the resolver's question."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from beeyard.domain.errors import NotFound, Refused
from beeyard.domain.packages import Platform, range_of, runs_on, version
from beeyard.domain.resolution import Ask, Candidate, Question
from beeyard.domain.sources import PackagesSpec, RepositorySpec, bound, enough
from beeyard.ports.package_manager import Installed, Offered, PackageManager

Stock = Mapping[str, tuple[RepositorySpec, list[Offered]]]
"""By package: where it comes from, and what there is of it."""


class Gathered(Struct, frozen=True):
    """The question, and where each candidate is to be had."""

    question: Question
    stock: Stock

    def offered(self, name: str, chosen: str) -> tuple[RepositorySpec, Offered] | None:
        """The build that runs here, the one for this very platform before one for any."""
        if name not in self.stock:
            return None
        repository, found = self.stock[name]
        fit = [one for one in found if one.digest and one.manifest.version == chosen]
        fit.sort(key=lambda one: one.manifest.platform != self.question.platform)
        return (repository, fit[0]) if fit else None


async def gather(
    asks: Sequence[Ask],
    spec: PackagesSpec,
    managers: Mapping[str, PackageManager],
    installed: Sequence[Installed],
    platform: Platform,
    facts: Mapping[str, str],
    *,
    downgrades: bool,
) -> Gathered:
    """Ask for what is wanted, then for what that needs, and so on. A locked build that is offered no more takes the
    place of what is offered as its version, if it can still be had.

    A repository that does not answer is an error, not a reason to do without it. A version that a channel names is no
    downgrade: its owner signed that later than whatever was newer, and who wrote the channel down chose to follow.

    Raises:
        NotFound: `no_repository`, no repository may have a package that somebody asked for; `no_such_channel`.
        Refused: `package_in_two_repositories`, `unknown_manager`.
        Unavailable, Untrusted: from the repositories.
    """
    required = spec.policies.required_trust
    there = _newest(
        one for one in installed if enough(one.trust, required) and runs_on(one.manifest.platform, platform)
    )
    stock: dict[str, tuple[RepositorySpec, list[Offered]]] = {}
    named = {ask.wanted.name for ask in asks}
    known: set[str] = set(facts)
    layer = named
    while layer := layer - known:
        known |= layer
        found = await asyncio.gather(
            *(_offers(name, spec, managers, platform, name in named) for name in sorted(layer))
        )
        stock |= {name: one for name, one in zip(sorted(layer), found, strict=True) if one is not None}
        manifests = [one.manifest for name in layer if name in stock for one in stock[name][1]]
        manifests += [there[name].manifest for name in layer if name in there]
        layer = {need.name for manifest in manifests for need in manifest.dependencies}
    asks = [_pointed(ask, stock) for ask in asks]
    followed = {ask.wanted.name for ask in asks if ask.wanted.channel}
    return Gathered(
        Question(
            asks=tuple(asks),
            platform=platform,
            offered={
                name: tuple(_candidate(one) for one in found if enough(one.trust, required))
                for name, (_, found) in stock.items()
            },
            installed={
                name: Candidate(name, one.manifest.version, one.manifest.platform, one.manifest.dependencies)
                for name, one in there.items()
                if name in known - followed
            },
            facts=facts,
            downgrades=downgrades,
        ),
        stock,
    )


async def _offers(
    name: str, spec: PackagesSpec, managers: Mapping[str, PackageManager], platform: Platform, wanted: bool
) -> tuple[RepositorySpec, list[Offered]] | None:
    repository = bound(name, spec.repositories)
    if repository is None:
        if wanted:
            raise no_repository(name, spec)
        return None
    manager = manager_of(managers, repository)
    found = await manager.offers(repository, name)
    builds = spec.locked.builds(name, platform)
    for build in builds:
        if build.source and build.digest not in {one.digest for one in found}:
            former = await manager.former(repository, build)
            if former is not None:
                kept = {one.digest for one in builds}
                found = [one for one in found if one.digest in kept or one.manifest.version != build.version]
                found.append(former)
    return repository, found


def manager_of(managers: Mapping[str, PackageManager], repository: RepositorySpec) -> PackageManager:
    """Who brings its packages. Raises Refused where nobody here can: it may well be possible elsewhere."""
    if repository.manager not in managers:
        text = "{repository}: there is no package manager {manager} here"
        hint = f"those there are: {', '.join(managers) or 'none'}"
        name, manager = repository.name, repository.manager
        raise Refused("unknown_manager", text, repository=name, manager=manager, hint=hint)
    return managers[repository.manager]


def _pointed(ask: Ask, stock: Stock) -> Ask:
    """With the version that the channel names now, if it is one that is asked for."""
    asked = ask.wanted
    if not asked.channel or asked.range:
        return ask
    repository, found = stock[asked.name]
    named = [one.manifest.version for one in found if asked.channel in one.channels]
    if not named:
        there = sorted({channel for one in found for channel in one.channels})
        text = "{repository} has no channel {channel} of {package}"
        hint = f"channels of it: {', '.join(there)}" if there else "it has none: ask for a version, a range or `latest`"
        fields = {"repository": repository.name, "channel": asked.channel, "package": asked.name}
        raise NotFound("no_such_channel", text, hint=hint, **fields)
    return replace(ask, wanted=replace(asked, range=range_of(named[0])))


def no_repository(name: str, spec: PackagesSpec) -> NotFound:
    """The error for a package that no repository may have."""
    hint = "write a repository into `package_manager:` of the worker file"
    if spec.repositories:
        hint = f"`packages:` of {', '.join(one.name for one in spec.repositories)} say which names belong there"
    return NotFound("no_repository", "there is no repository for {package}", package=name, hint=hint)


def _candidate(offered: Offered) -> Candidate:
    manifest = offered.manifest
    return Candidate(manifest.name, manifest.version, manifest.platform, manifest.dependencies, offered.yanked)


def _newest(installed: Iterable[Installed]) -> dict[str, Installed]:
    """The highest version of each package."""
    found: dict[str, Installed] = {}
    for one in installed:
        name = one.manifest.name
        if name not in found or version(one.manifest.version) > version(found[name].manifest.version):
            found[name] = one
    return found
