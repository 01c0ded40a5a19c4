"""Where a repository is, a folder, a bundle or a URL, and how its files are come by. What is in them it knows not."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from beeyard.adapters.repositories import access, bundles, layout
from beeyard.adapters.repositories.reading import Reader
from beeyard.adapters.repositories.web import Limits, WebReader
from beeyard.domain.errors import Invalid
from beeyard.domain.sources import Credentials, RepositorySpec
from beeyard.ports.repository import Source

FILES = "v1/packages/files"
"""Where a Beeyard serves them."""


class Place:
    """Of one repository; a URL is one of http, https or file."""

    def __init__(self, repository: str, location: str, credentials: Credentials, limits: Limits) -> None:
        """Raises Invalid."""
        self.limits = limits
        self._repository = repository
        self._credentials = credentials
        parts = urlsplit(location)
        self.web = parts.scheme in ("http", "https")
        if not location or parts.scheme not in ("", "http", "https", "file") or (self.web and not parts.hostname):
            text = "{repository} is at {location!r}, expected a folder or a URL with http, https or file"
            raise Invalid("repository_location", text, repository=repository, location=location)
        if parts.username is not None or parts.query or parts.fragment:
            text, hint = "{repository}: its URL holds more than a place", "name and password belong under `credentials`"
            raise Invalid("repository_location", text, repository=repository, hint=hint)
        folder = unquote(parts.path) if parts.scheme == "file" else location
        self._bundle = not self.web and folder.endswith(bundles.SUFFIX)
        self.base = (location if self.web else os.path.abspath(folder)).rstrip("/") + "/" * (not self._bundle)

    def lies_in(self, folder: Path) -> bool:
        """Whether it is this very folder."""
        return not self.web and os.path.isdir(self.base) and folder.is_dir() and os.path.samefile(self.base, folder)

    def source(self, path: str) -> Source:
        """Where a file is, with what its server wants to be shown. Raises Invalid; of a bundle also NotFound and
        Unavailable."""
        if self._bundle:
            stamp, span = bundles.BundleReader(self._repository, self.base).find(path)
            return Source(f"file://{quote(self.base)}", offset=span.offset, stamp=stamp)
        if not self.web:
            return Source(f"file://{quote(self.base + path)}")
        url, shown = self.base + quote(path), self._credentials
        return Source(url, access.headers(shown, url), shown.certificate, shown.key)

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[Reader]:
        """For one question, however many files it needs."""
        if self.web:
            async with WebReader(self._repository, self.base, self._credentials, self.limits) as reader:
                yield reader
        else:
            yield (bundles.BundleReader if self._bundle else Reader)(self._repository, self.base)


class Neighbour(Place):
    """Another Beeyard: it serves files by their digests, whatever repository they came from, and has no names."""

    def source(self, path: str) -> Source:
        return super().source(f"{FILES}/{layout.digest(path)}")


def location(spec: RepositorySpec) -> str:
    """As the worker file has it. Raises Invalid."""
    if bool(spec.url) == bool(spec.path):
        text, hint = "{repository} needs either a `url` or a `path`", "write one of them"
        raise Invalid("repository_location", text, hint=hint, repository=spec.name)
    return spec.url or spec.path
