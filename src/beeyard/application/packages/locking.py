"""What a lock file makes of a choice: only its builds are offered of what it names, and nothing else passes for them.

It binds what workers run from, and all that this needs. What a person asks for is bound to no version by it: but a
build that is not the locked one of its version is refused to everybody. A locked version is no downgrade: the lock says
it.
"""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from beeyard.application.packages.gathering import Gathered
from beeyard.domain.errors import BeeyardError, Refused, Untrusted
from beeyard.domain.locked import Lock, Locked
from beeyard.domain.packages import Platform, range_of, version
from beeyard.domain.resolution import Ask, Resolution
from beeyard.ports.package_manager import Installed
from beeyard.ports.resolver import Resolver

CONFLICT = "packages_conflict"
RENEW = "beeyard package lock, which renews it"


def kept(lock: Lock, asks: Iterable[Ask], installed: Sequence[Installed]) -> list[Installed]:
    """Of what is installed, that which the lock does not rule out."""
    free = _free(asks)
    return [
        one
        for one in installed
        if one.manifest.name in free
        or not (builds := lock.builds(one.manifest.name))
        or one.digest in {build.digest for build in builds}
    ]


def pinned(lock: Lock, ask: Ask, platform: Platform) -> Ask:
    """With the version that was locked for the channel that is asked for; as it is, if none was."""
    if not ask.wanted.channel or ask.wanted.range:
        return ask
    named = [build for build in lock.builds(ask.wanted.name, platform) if ask.wanted.channel in build.channels]
    if not named:
        return ask
    newest = max(named, key=lambda build: version(build.version))
    return replace(ask, wanted=replace(ask.wanted, range=range_of(newest.version)))


def bound_by(lock: Lock, asks: Iterable[Ask], platform: Platform) -> list[Ask]:
    """What workers follow, as the lock has it and not as a repository says now.

    Raises Refused: `lock_does_not_fit`, it has the package, and nothing of it for this channel.
    """
    found = []
    for ask in asks:
        builds = lock.builds(ask.wanted.name, platform) if ask.by else []
        found.append(pinned(lock, ask, platform) if builds else ask)
        if builds and found[-1].wanted.channel and not found[-1].wanted.range:
            text = "the lock has {package} {locked}, none of it for {channel}, which {by} follows"
            fields = {"package": ask.wanted.name, "locked": " and ".join(build.version for build in builds)}
            raise Refused("lock_does_not_fit", text, hint=RENEW, channel=ask.wanted.channel, by=ask.by, **fields)
    return found


def resolved(resolver: Resolver, gathered: Gathered, lock: Lock) -> tuple[Gathered, Resolution]:
    """The answer, and what was left to choose from.

    Raises:
        Refused: `lock_does_not_fit`, without the lock there were an answer; else as the resolver does.
        Untrusted: `package_not_as_locked`.
    """
    if not lock.packages:
        return gathered, resolver.resolve(gathered.question)
    narrowed = _narrowed(gathered, lock)
    try:
        chosen = resolver.resolve(narrowed.question)
    except Refused as error:
        if error.code == CONFLICT:
            _blame(resolver, gathered, narrowed, lock)
        raise
    _require_locked(narrowed, chosen, lock)
    return narrowed, chosen


def locked(gathered: Gathered, chosen: Resolution) -> list[Locked]:
    """The builds of an answer, as a lock file names them."""
    channels = {ask.wanted.name: (ask.wanted.channel,) for ask in gathered.question.asks if ask.wanted.channel}
    found = [(name, gathered.offered(name, choice.version)) for name, choice in chosen.items()]
    return [
        Locked(
            name=name,
            version=one.manifest.version,
            platform=one.manifest.platform,
            digest=one.digest,
            repository=repository.name,
            trust=one.trust,
            channels=channels.get(name, ()),
            source=one.source,
        )
        for name, (repository, one) in ((name, pair) for name, pair in found if pair is not None)
    ]


def _free(asks: Iterable[Ask]) -> set[str]:
    """What only people ask for."""
    asks = list(asks)
    return {ask.wanted.name for ask in asks} - {ask.wanted.name for ask in asks if ask.by}


def _narrowed(gathered: Gathered, lock: Lock) -> Gathered:
    """Without the versions that the lock does not name, and without other builds of those that it does."""
    question, free = gathered.question, _free(gathered.question.asks)
    versions = {
        name: {build.version for build in lock.builds(name, question.platform)}
        for name in question.offered
        if name not in free
    }
    offered = {
        name: tuple(one for one in found if not versions.get(name) or one.version in versions[name])
        for name, found in question.offered.items()
    }
    stock = {}
    for name, (repository, found) in gathered.stock.items():
        digests = {build.digest for build in lock.builds(name, question.platform)}
        same = {one.manifest.version for one in found if one.digest in digests}
        stock[name] = repository, [one for one in found if one.digest in digests or one.manifest.version not in same]
    asked = lock.versions(question.asks, question.platform)
    return Gathered(replace(question, offered=offered, locked=asked), stock)


def _blame(resolver: Resolver, gathered: Gathered, narrowed: Gathered, lock: Lock) -> None:
    """Raises Refused if it is the lock that stands in the way."""
    try:
        chosen = resolver.resolve(gathered.question)
    except BeeyardError:
        return
    for name, choice in chosen.items():
        left = {one.version for one in narrowed.question.offered.get(name, ())}
        if choice.version in left or name not in gathered.question.offered:
            continue
        known = {one.version for one in gathered.question.offered[name]}
        builds = lock.builds(name, gathered.question.platform)
        need = choice.why[-1]
        text = "the lock has {package} {locked}, and {by} needs {wanted}"
        if gone := [build for build in builds if build.version not in known]:
            text = "the lock has {package} {locked}, which {repository} does not have any more"
            builds = gone
        raise Refused(
            "lock_does_not_fit",
            text,
            package=name,
            locked=" and ".join(build.version for build in builds),
            by=need.by,
            wanted=str(need.wanted),
            repository=gathered.stock[name][0].name,
            hint=RENEW,
        )


def _require_locked(gathered: Gathered, chosen: Resolution, lock: Lock) -> None:
    for name, choice in chosen.items():
        build = lock.find(name, choice.version, gathered.question.platform)
        found = gathered.offered(name, choice.version)
        if build is not None and found is not None and found[1].digest != build.digest:
            raise Untrusted(
                "package_not_as_locked",
                "the lock says {package} is {locked}, and {repository} has {found}",
                package=f"{name} {choice.version}",
                locked=build.digest[:12],
                repository=found[0].name,
                found=found[1].digest[:12],
                hint=f"ask who published it what changed; if it is to be so: {RENEW}",
            )
