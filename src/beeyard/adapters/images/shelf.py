"""What one registry has of an image, version by version: its tags followed to manifests, configs and signatures.

Digests are followed once, for what has one never changes; tags are asked for each time.
"""

import asyncio
import logging
from collections.abc import Iterable

from msgspec import Struct

from beeyard.adapters.images.cosign import Key, doubt, unsigned
from beeyard.adapters.images.described import build_digest
from beeyard.adapters.images.described import manifest as described
from beeyard.adapters.images.picking import plainest, versions
from beeyard.adapters.images.registry import Registry, Said
from beeyard.adapters.images.shapes import (
    DIGEST,
    INDEXES,
    UNUSABLE,
    Config,
    Descriptor,
    ImageManifest,
    Index,
    read,
    require_config,
    require_image,
    wrong,
)
from beeyard.domain.errors import NotFound, Rejected
from beeyard.domain.packages import ANY, Manifest, Platform, runs_on
from beeyard.domain.sources import RepositorySpec

AT_ONCE = 8
"""Questions at the same time."""

log = logging.getLogger("beeyard")


class Image(Struct, frozen=True):
    """One image for one platform. `layers`: the lowest first; `config` says how it wants to be run."""

    sha256: str
    name: str
    layers: tuple[Descriptor, ...]
    config: Config

    @property
    def size(self) -> int:
        """Bytes to bring."""
        return sum(layer.size for layer in self.layers)


class Version(Struct, frozen=True):
    """One build of one version; its image only where it runs here. `source`: the digest of what its tag named."""

    manifest: Manifest
    image: Image | None
    source: str

    @property
    def digest(self) -> str:
        """Empty where it does not run."""
        return build_digest(self.manifest.name, self.manifest.version, self.image.sha256) if self.image else ""


class Shelf:
    """Of one registry. `platform`: this host's."""

    def __init__(self, spec: RepositorySpec, registry: Registry, platform: Platform) -> None:
        """Raises Invalid when its key can't be used."""
        self.spec = spec
        self.registry = registry
        self._platform = platform
        self._key = Key(spec.name, spec.root) if spec.trust == "cosign" else None
        self._images: dict[str, Image] = {}
        self._doubts: dict[tuple[str, str], str] = {}
        self._useless: set[str] = set()
        self._asking = asyncio.Semaphore(AT_ONCE)

    async def versions(self, package: str) -> list[Version]:
        """The newest ones; without those that are nothing for us, unless there are no others.

        Raises Unavailable, Rejected, Limited, Untrusted.
        """
        image = self.registry.image(package)
        tags = versions(await self.registry.tags(image))
        useless: dict[str, Rejected] = {}

        async def looked(text: str, tag: str) -> list[Version]:
            try:
                return await self._version(image, package, text, tag)
            except Rejected as error:
                if error.code != UNUSABLE:
                    raise
                useless[f"{image}:{tag}"] = error
                return []

        found = await asyncio.gather(*(looked(text, tag) for text, tag in tags))
        if not any(found):
            if useless:
                raise next(iter(useless.values()))
            if doubts := [why for (of, _), why in self._doubts.items() if of == image and why]:
                raise unsigned(self.spec.name, image, doubts[0])
        for named in useless.keys() - self._useless:
            log.warning("%s is passed over: %s", named, useless[named])
        self._useless |= useless.keys()
        return [one for several in found for one in several]

    async def former(self, package: str, text: str, source: str, digest: str) -> Version | None:
        """A build that was among `versions` before its tag was moved or taken away: by that tag's digest at the time,
        for which the same holds as for any. None: it can't be had any more. Raises as `versions`."""
        if not DIGEST.fullmatch(source):
            return None
        found = await self._version(self.registry.image(package), package, text, source)
        return next((one for one in found if one.digest == digest), None)

    async def build(self, manifest: Manifest, digest: str, known: Iterable[str]) -> Image:
        """The image of a build that was offered, or is made of one of those that are known. Raises as `image`."""
        for sha256 in (*self._images, *known):
            if build_digest(manifest.name, manifest.version, sha256) == digest:
                return await self.image(manifest.name, sha256)
        raise self._gone(manifest.name, manifest.version)

    async def image(self, package: str, sha256: str) -> Image:
        """By its digest. Raises NotFound, and as `versions`."""
        if (known := self._images.get(sha256)) is not None:
            return known
        image = self.registry.image(package)
        said = await self.registry.manifest(image, f"sha256:{sha256}")
        if said is None:
            raise self._gone(package, f"sha256:{sha256}")
        return await self._image(image, said)

    async def _version(self, image: str, package: str, text: str, reference: str) -> list[Version]:
        """All builds of a tag or a digest; none, if it is not signed and has to be, or is gone."""
        async with self._asking:
            said = await self.registry.manifest(image, reference)
            if said is None:
                return []
            source = f"sha256:{said.sha256}"
            trusted = await self._trusted(image, said.sha256)
            if said.kind not in INDEXES:
                return [self._built(package, text, await self._image(image, said), source)] if trusted else []
            builds = []
            for on, one in plainest(read(said.data, Index, self.spec.name, f"{image}:{reference}").manifests):
                if not runs_on(on.platform, self._platform):
                    if trusted:
                        builds.append(Version(Manifest(package, text, on.platform), None, source))
                elif trusted or await self._trusted(image, one.hex(self.spec.name)):
                    made = await self.image(package, one.hex(self.spec.name))
                    builds.append(self._built(package, text, made, source))
            here = [one for one in builds if one.image is not None]
            return here[:1] if here and here[0].manifest.platform == ANY else builds

    def _built(self, package: str, text: str, image: Image, source: str) -> Version:
        runs = runs_on(image.config.on.platform, self._platform)
        made = described(image.config, package, text, image.sha256, self.spec.name)
        return Version(made, image if runs else None, source)

    async def _image(self, image: str, said: Said) -> Image:
        """What a manifest says, with its config. Raises Untrusted, Rejected."""
        if (known := self._images.get(said.sha256)) is not None:
            return known
        named = f"{image}@sha256:{said.sha256}"
        require_image(said.kind, self.spec.name, named)
        found = read(said.data, ImageManifest, self.spec.name, named)
        require_config(found.config, self.spec.name, named)
        config = read(await self.registry.blob(image, found.config), Config, self.spec.name, named)
        if len(config.rootfs.diff_ids) != len(found.layers):
            raise wrong(self.spec.name, named, "has not as many layers as its config says")
        for layer in found.layers:
            layer.hex(self.spec.name)
            layer.kind(self.spec.name)
        made = self._images[said.sha256] = Image(said.sha256, image, tuple(found.layers), config)
        return made

    async def _trusted(self, image: str, sha256: str) -> bool:
        """A signature does not go away; one that is missing may come."""
        if self._key is None or self._doubts.get((image, sha256)) == "":
            return True
        self._doubts[image, sha256] = found = await doubt(self.registry, image, sha256, self._key)
        return not found

    def _gone(self, package: str, which: str) -> NotFound:
        text, hint = "{repository} has no {package}:{which} any more", "take another version"
        return NotFound("no_such_package", text, hint=hint, repository=self.spec.name, package=package, which=which)
