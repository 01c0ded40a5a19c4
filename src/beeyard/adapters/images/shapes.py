"""What a registry says in JSON: indexes, manifests and configs of images. Believes nothing of it; asks nobody."""

import re
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct, field

from beeyard.domain.errors import Rejected, Untrusted

_DOCKER, _OCI = "application/vnd.docker.distribution.manifest", "application/vnd.oci.image"
INDEXES = (f"{_OCI}.index.v1+json", f"{_DOCKER}.list.v2+json")
MANIFESTS = (f"{_OCI}.manifest.v1+json", f"{_DOCKER}.v2+json")
CONFIG = f"{_OCI}.config.v1+json"
_CONFIGS = (CONFIG, "application/vnd.docker.container.image.v1+json")
_LAYERS = {
    f"{_OCI}.layer.v1.tar": "tar",
    f"{_OCI}.layer.v1.tar+gzip": "gzip",
    f"{_OCI}.layer.v1.tar+zstd": "zstd",
    "application/vnd.docker.image.rootfs.diff.tar.gzip": "gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd": "zstd",
    "application/vnd.docker.image.rootfs.diff.tar": "tar",
}
"""Media type -> how it is compressed."""
_ELSEWHERE = ("application/vnd.docker.image.rootfs.foreign.", f"{_OCI}.layer.nondistributable.")
_SCHEMA_1 = f"{_DOCKER}.v1+"
DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "386": "i686", "arm": "armv7l"}
"""The word of images -> the machine's own."""
MOST_LAYERS = 128
UNUSABLE = "image_unusable"
"""The code of an error that concerns one image, and no other."""

T = TypeVar("T")


class On(Struct, frozen=True):
    """The platform of one image of an index."""

    os: str = ""
    architecture: str = ""
    variant: str = ""

    @property
    def platform(self) -> str:
        """As packages say it."""
        return f"{self.os}-{_MACHINES.get(self.architecture, self.architecture)}"


class Descriptor(Struct, frozen=True, rename="camel"):
    """A blob: its kind, digest and size."""

    digest: Annotated[str, Meta(max_length=256)]
    size: Annotated[int, Meta(ge=0, le=2**50)]
    media_type: str = ""
    platform: On | None = None
    annotations: dict[str, str] = {}
    urls: list[str] | None = None

    def hex(self, repository: str) -> str:
        """Of its SHA-256. Raises Untrusted for any other kind of digest."""
        if not (found := DIGEST.fullmatch(self.digest)):
            raise wrong(repository, self.digest[:80], "is no SHA-256")
        return found[1]

    def kind(self, repository: str) -> str:
        """How this layer is compressed. Raises Rejected."""
        if self.urls or self.media_type.startswith(_ELSEWHERE):
            raise unusable(repository, self.digest, "is a layer that lies elsewhere: nothing is fetched from there")
        if (kind := _LAYERS.get(self.media_type)) is None:
            raise unusable(repository, self.digest, f"is a layer of the unknown kind {self.media_type[:80]!r}")
        return kind


class Index(Struct, frozen=True):
    """One image, for several platforms."""

    manifests: Annotated[list[Descriptor], Meta(max_length=1000)]


class ImageManifest(Struct, frozen=True):
    """What one image consists of, the lowest layer first."""

    config: Descriptor
    layers: Annotated[list[Descriptor], Meta(max_length=MOST_LAYERS)]


class Run(Struct, frozen=True, rename="pascal"):
    """How an image wants to be run."""

    entrypoint: list[str] | None = None
    cmd: list[str] | None = None
    env: list[str] | None = None
    working_dir: str = ""
    labels: dict[str, str] | None = None


class Rootfs(Struct, frozen=True):
    """The digests of the layers, unpacked."""

    diff_ids: list[str] = []


class Config(Struct, frozen=True):
    """What an image says of itself."""

    os: str
    architecture: str
    rootfs: Rootfs
    config: Run | None = field(default=None)

    @property
    def on(self) -> On:
        return On(self.os, self.architecture)


def require_image(kind: str, repository: str, named: str) -> None:
    """Of a manifest's media type. Raises Rejected."""
    if kind.startswith(_SCHEMA_1):
        raise unusable(repository, named, "is written as registries did before 2016 (schema 1): push it anew")
    if kind not in MANIFESTS:
        raise unusable(repository, named, f"is of the unknown kind {kind[:80]!r}")


def require_config(config: Descriptor, repository: str, named: str) -> None:
    """Registries keep charts and much else beside images. Raises Rejected."""
    if config.media_type and config.media_type not in _CONFIGS:
        raise unusable(repository, named, f"is no image, but of the kind {config.media_type[:80]!r}")


def read(data: bytes, shape: type[T], repository: str, named: str) -> T:
    """Raises Untrusted."""
    try:
        return msgspec.json.decode(data, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise wrong(repository, named, f"can't be read: {error}") from None


def unusable(repository: str, named: str, seen: str) -> Rejected:
    """Nobody tampers, and it is nothing that could run here."""
    text, hint = "{repository}: {file} {seen}", "take another version, or have it built anew"
    return Rejected(UNUSABLE, text, hint=hint, repository=repository, file=named, seen=seen)


def wrong(repository: str, named: str, seen: str) -> Untrusted:
    """What a registry said is not to be believed, or not to be used."""
    text, hint = "{repository}: {file} {seen}", "Nothing of it was kept. Ask whoever publishes there."
    return Untrusted("image_wrong", text, hint=hint, repository=repository, file=named, seen=seen)
