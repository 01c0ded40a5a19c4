"""What a registry has, by the distribution API: names, tags, manifests and small blobs, each within its bound.

What has a digest is compared with it, whoever sent it. Layers are only named here: the fetcher brings them.
"""

import hashlib
import re
from collections.abc import AsyncIterator

from msgspec import Struct
from yarl import URL

from beeyard.adapters.images.asking import MOST, Asking
from beeyard.adapters.images.shapes import INDEXES, MANIFESTS, Descriptor, read, wrong
from beeyard.domain.sources import RepositorySpec
from beeyard.ports.repository import Source

PAGES = 20
"""Of a list, each of a thousand."""
_NEXT = re.compile(r'<([^>]+)>\s*;\s*rel="?next"?')


class _Tags(Struct):
    tags: list[str] | None = None


class _Catalog(Struct):
    repositories: list[str] | None = None


class Said(Struct, frozen=True):
    """A manifest or an index: its media type, its bytes and their SHA-256."""

    kind: str
    data: bytes
    sha256: str


class Registry:
    """One, as the worker file has it, its secrets resolved. Names of images are relative to its URL's path.

    All methods raise Unavailable, Rejected, Limited, Untrusted.
    """

    def __init__(self, spec: RepositorySpec) -> None:
        self.name = spec.name
        self.prefix = URL(spec.url).path.strip("/")
        self._credentials = spec.credentials
        self._asking = Asking(spec)

    def image(self, package: str) -> str:
        """What the registry calls a package."""
        return f"{self.prefix}/{package}" if self.prefix else package

    async def images(self) -> list[str]:
        """The names of all images below the URL, where a registry tells."""
        found = [
            name
            async for page in self._pages(self._asking.base / "v2/_catalog", "registry:catalog:*")
            for name in read(page, _Catalog, self.name, "its list").repositories or []
        ]
        above = f"{self.prefix}/" if self.prefix else ""
        return sorted(name.removeprefix(above) for name in found if name.startswith(above))

    async def tags(self, image: str) -> list[str]:
        """All of an image; none, if there is no such image."""
        return [
            tag
            async for page in self._pages(self._place(image, "tags", "list"), _pull(image))
            for tag in read(page, _Tags, self.name, "its list").tags or []
        ]

    async def manifest(self, image: str, reference: str) -> Said | None:
        """By a tag, or by `sha256:…`. None: there is none."""
        kinds = ", ".join((*INDEXES, *MANIFESTS))
        answer = await self._asking.get(self._place(image, "manifests", reference), _pull(image), kinds)
        if answer.status == 404:
            return None
        found = hashlib.sha256(answer.data).hexdigest()
        told = reference if ":" in reference else answer.headers.get("docker-content-digest", "")
        if told.startswith("sha256:") and told != f"sha256:{found}":
            raise wrong(self.name, f"{image}:{reference}", "is not what its digest says")
        return Said(answer.headers.get("content-type", "").partition(";")[0].strip(), answer.data, found)

    async def blob(self, image: str, blob: Descriptor) -> bytes:
        """A small one, verified."""
        digest = blob.hex(self.name)
        if blob.size > MOST:
            raise wrong(self.name, blob.digest, f"has {blob.size} bytes, more than {MOST}")
        answer = await self._asking.get(self._place(image, "blobs", f"sha256:{digest}"), _pull(image))
        if answer.status == 404:
            raise self._asking.unreachable(f"{image}@{blob.digest}", "it is not there")
        if len(answer.data) != blob.size or hashlib.sha256(answer.data).hexdigest() != digest:
            raise wrong(self.name, f"{image}@{blob.digest}", "is not what its digest says")
        return answer.data

    async def source(self, image: str, digest: str, named: str) -> Source:
        """Where a layer lies, with what the registry wants to be shown now: tokens don't last long."""
        url = self._place(image, "blobs", f"sha256:{digest}")
        await self._asking.get(url, _pull(image), head=True)
        shown = self._credentials
        return Source(str(url), self._asking.shown(_pull(image)), shown.certificate, shown.key, named)

    def _place(self, image: str, *below: str) -> URL:
        return self._asking.base.joinpath("v2", *image.split("/"), *below)

    async def _pages(self, url: URL, scope: str) -> AsyncIterator[bytes]:
        url = url.with_query(n=1000)
        for _ in range(PAGES):
            answer = await self._asking.get(url, scope, "application/json")
            if answer.status == 404:
                return
            yield answer.data
            if not (onward := _NEXT.search(answer.headers.get("link", ""))):
                return
            url = url.join(URL(onward[1]))
            if url.origin() != self._asking.base:
                raise wrong(self.name, "its list", "goes on at another place")
        raise wrong(self.name, "its list", f"has more than {PAGES} pages")


def _pull(image: str) -> str:
    return f"repository:{image}:pull"
