"""What an index has of one distribution, version by version, each with the wheels that it needs on this host's Python.

A build is all these wheels with their digests, root first: `source` writes them down, and so a lock pins every one.
What was read of a wheel is known by its digest from then on; what an index lists is asked for each time.
"""

import asyncio
import hashlib
import logging
import re
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct
from packaging.utils import canonicalize_name

from beeyard.adapters.wheels.about import WRONG, About
from beeyard.adapters.wheels.closure import closure
from beeyard.adapters.wheels.index import Index
from beeyard.adapters.wheels.interpreter import Interpreter
from beeyard.adapters.wheels.listing import Listing, Wheel
from beeyard.domain.errors import BeeyardError, NotFound, Refused, Rejected, Untrusted
from beeyard.domain.packages import ANY, Manifest, ModuleEntry, Platform, ProcessEntry, version
from beeyard.domain.sources import RepositorySpec
from beeyard.ports.repository import Source
from beeyard.ports.resolver import Resolver

NEWEST = 30
"""Versions that are looked at: each takes a question about its wheel, and more are asked for by nobody."""
NEWEST_NEEDED = 300
"""Versions of what a distribution needs."""
AT_ONCE = 8
"""Questions at the same time."""
_PIN = re.compile(r"(\S+)==(\S+)@([0-9a-f]{64})")

Whole = Callable[[Wheel], Awaitable[About]]
"""Reads a wheel by bringing all of it."""

log = logging.getLogger("beeyard")


class Version(Struct, frozen=True):
    """One version; without wheels it runs on other hosts only. `digest` tells its build from all others."""

    manifest: Manifest
    wheels: tuple[Wheel, ...] = ()
    digest: str = ""
    yanked: str = ""

    @property
    def source(self) -> str:
        return source(self.wheels)

    @property
    def size(self) -> int:
        """Bytes to bring, as far as that was told."""
        return sum(one.size for one in self.wheels)


def source(wheels: Sequence[Wheel]) -> str:
    """By what they are found again: `name==version@SHA256` each."""
    return " ".join(f"{one.name}=={one.version}@{one.sha256}" for one in wheels)


class Shelf:
    """Of one index, for one Python. `platform`: this host's. All methods raise what the index does."""

    def __init__(
        self,
        spec: RepositorySpec,
        index: Index,
        python: Interpreter,
        platform: Platform,
        resolver: Resolver,
        whole: Whole,
    ) -> None:
        self.spec = spec
        self.python = python
        self._index = index
        self._platform = platform
        self._resolver = resolver
        self._whole = whole
        self._known: dict[str, About] = {}
        self._sizes: dict[str, int] = {}
        self._passed: set[str] = set()
        self._asking = asyncio.Semaphore(AT_ONCE)

    async def names(self) -> list[str]:
        """Of all distributions that a package could be called after."""
        return await self._index.names()

    async def versions(self, package: str) -> list[Version]:
        """The newest ones; without those that can't be had on this Python, unless there are no others.

        Raises Rejected, Refused: why there are none.
        """
        listed = await self._index.listing(str(canonicalize_name(package)))
        newest = await asyncio.to_thread(self._newest, listed)
        useless: list[BeeyardError] = []
        listings: dict[str, list[Wheel]] = {}

        async def looked(text: str, best: Wheel | None, others: dict[str, Wheel]) -> list[Version]:
            if best is None:
                if {ANY, self._platform} & others.keys():
                    useless.append(self._unfit(package, text))
                    return []
                return [Version(Manifest(package, text, on), yanked=one.yanked) for on, one in sorted(others.items())]
            try:
                return [await self._version(package, best, listings)]
            except (Rejected, Refused) as error:
                useless.append(error)
                return []

        found = await asyncio.gather(*(looked(text, *wheels) for text, wheels in newest.items()))
        if not any(found):
            if useless:
                raise useless[0]
            if listed.sources:
                raise self._unbuilt(package, await asyncio.to_thread(lambda: max(listed.sources, key=version)))
        for error in useless:
            if str(error) not in self._passed:
                log.warning("%s is passed over: %s", package, error)
        self._passed |= {str(error) for error in useless}
        return [one for several in found for one in several]

    async def build(self, package: str, text: str, written: str, digest: str) -> Version:
        """The very build that was written down, with its wheels as the index has them now.

        Raises NotFound: one of them is gone. Refused: it is not for this Python.
        """
        wheels = []
        for name, at, sha256 in _PIN.findall(written):
            listed = await self._index.listing(name)
            same = [one for one in listed.wheels if (one.version, one.sha256) == (at, sha256)]
            if not same:
                raise self._gone(name, at)
            wheels.append(same[0])
        if not wheels or self._digest(package, text, wheels) != digest:
            raise self._gone(package, text)
        for one in wheels:
            await self.about(one)
        return self._made(package, wheels)

    async def former(self, package: str, text: str, written: str, digest: str) -> Version | None:
        """As `build`; None: it can't be had any more."""
        try:
            return await self.build(package, text, written, digest)
        except NotFound:
            return None

    def described(self, package: str, wheels: Sequence[Wheel], root: About) -> Manifest:
        """What a package of these is."""
        process, modules = _process(package, root), [*root.modules.values()]
        module = ModuleEntry(f"{modules[0][0].replace('.', '/')}.py", modules[0][1]) if len(modules) == 1 else None
        platform = ANY if all(one.platform == ANY for one in wheels) else self._platform
        return Manifest(
            package, wheels[0].version, platform, root.summary, process, module, python_path=self.python.site
        )

    def compare(self, wheels: Sequence[Wheel], said: Sequence[About]) -> None:
        """What was read before the wheels were verified with what they say. Raises Untrusted."""
        for wheel, now in zip(wheels, said, strict=True):
            if self._known.pop(wheel.sha256, now) != now:
                raise unreadable(wheel, "what was read of its end before is not what it says")

    def source(self, wheel: Wheel) -> Source:
        """Where it can be read."""
        return self._index.source(wheel)

    # --- what goes together ------------------------------------------------------------------------------------------

    async def about(self, wheel: Wheel) -> About:
        """Raises Untrusted: it is no wheel."""
        if (known := self._known.get(wheel.sha256)) is None:
            async with self._asking:
                try:
                    said, self._sizes[wheel.sha256] = await self._index.peek(wheel)
                    known = self._known[wheel.sha256] = said or await self._whole(self._sized(wheel))
                except WRONG as error:
                    raise unreadable(wheel, str(error)) from None
        return known

    def known(self, wheel: Wheel) -> About | None:
        return self._known.get(wheel.sha256)

    def _newest(self, listed: Listing) -> dict[str, tuple[Wheel | None, dict[str, Wheel]]]:
        """Of the newest versions the wheel that this Python takes best; of one that has none for it, one of each
        platform. An index may list so many that this takes seconds, as all does that looks at each of them."""
        found = {}
        for text, wheels in _by_version(listed, NEWEST).items():
            best = self._best(wheels)
            found[text] = best, {one.platform: one for one in wheels} if best is None else {}
        return found

    def _fitting(self, listed: Listing) -> list[Wheel]:
        """Of the newest versions, oldest first, the wheel that this Python takes best."""
        best = [self._best(wheels) for wheels in _by_version(listed).values()]
        return [one for one in best if one is not None][:NEWEST_NEEDED][::-1]

    def _best(self, wheels: Sequence[Wheel]) -> Wheel | None:
        ranks = [(self.python.rank(one.tags), one) for one in wheels if self.python.takes(one.requires)]
        fit = [(rank, one) for rank, one in ranks if rank is not None]
        return min(fit, key=lambda found: found[0])[1] if fit else None

    async def _version(self, package: str, root: Wheel, listings: dict[str, list[Wheel]]) -> Version:
        shelf = self

        class Now:
            """All versions see one state of the index."""

            async def wheels(self, name: str) -> list[Wheel]:
                if name not in listings:
                    listings[name] = await asyncio.to_thread(shelf._fitting, await shelf._index.listing(name))
                return listings[name]

            about = staticmethod(shelf.about)
            known = staticmethod(shelf.known)

        wanted = [one.partition("[")[2].removesuffix("]") for one in self.spec.extras if _named(one) == root.name]
        extras = {str(canonicalize_name(one)) for several in wanted for one in several.split(",") if one}
        said = await self.about(root)
        if not self.python.takes(said.python):
            raise self._unfit(package, root.version)
        return self._made(package, await closure(root, extras, self.python, Now(), self._resolver))

    def _made(self, package: str, wheels: Sequence[Wheel]) -> Version:
        sized = tuple(map(self._sized, wheels))
        manifest = self.described(package, sized, self._known[sized[0].sha256])
        return Version(manifest, sized, self._digest(package, manifest.version, sized), sized[0].yanked)

    def _sized(self, wheel: Wheel) -> Wheel:
        from msgspec.structs import replace

        return replace(wheel, size=self._sizes.get(wheel.sha256, wheel.size))

    def _digest(self, package: str, text: str, wheels: Sequence[Wheel]) -> str:
        """Where they lie in an environment depends on the Python, so that counts as well."""
        return hashlib.sha256(f"{package} {text} python{self.python.version} {source(wheels)}".encode()).hexdigest()

    # --- what is refused ---------------------------------------------------------------------------------------------

    def _unfit(self, package: str, text: str) -> Rejected:
        told = "{repository}: no wheel of {package} {version} is for Python {python} on {platform}"
        hint = "take another version, or name another `python` in the repository"
        fields = {"python": self.python.version, "platform": self._platform}
        return Rejected(
            "python_no_wheel", told, hint=hint, repository=self.spec.name, package=package, version=text, **fields
        )

    def _unbuilt(self, package: str, text: str) -> Rejected:
        told = "{repository}: {package} {version} has only sources, which would have to be built, and no wheel"
        hint = "build a wheel of it elsewhere, and offer that: no code of a package runs while it is installed"
        return Rejected(
            "python_only_sources", told, hint=hint, repository=self.spec.name, package=package, version=text
        )

    def _gone(self, name: str, text: str) -> NotFound:
        told, hint = "{repository} has not that build of {package} {version} any more", "take another version"
        return NotFound("no_such_package", told, hint=hint, repository=self.spec.name, package=name, version=text)


def unreadable(wheel: Wheel, reason: str) -> Untrusted:
    """Nobody can tell what it is."""
    text, hint = "{wheel} is no wheel: {reason}", "nothing of it was kept; tell whoever publishes there"
    return Untrusted("wheel_unreadable", text, hint=hint, wheel=wheel.file, reason=reason)


def _by_version(listed: Listing, most: int | None = None) -> dict[str, list[Wheel]]:
    """The newest first."""
    found: dict[str, list[Wheel]] = {}
    for one in listed.wheels:
        found.setdefault(one.version, []).append(one)
    return {text: found[text] for text in sorted(found, key=version, reverse=True)[:most]}


def _named(written: str) -> str:
    return str(canonicalize_name(written.partition("[")[0]))


def _process(package: str, root: About) -> ProcessEntry | None:
    """The command that is called as the package is, or else the only one."""
    same = [name for name in root.programs if canonicalize_name(name) == canonicalize_name(package)]
    names = same or list(root.programs)
    # What is written beside an installed module would be damage to the package.
    return ProcessEntry(f"bin/{names[0]}", env=("PYTHONDONTWRITEBYTECODE=1",)) if len(names) == 1 else None
