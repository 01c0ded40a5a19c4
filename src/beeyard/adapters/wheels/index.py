"""Where wheels are: a folder of them, or an index that speaks the simple API. Chooses none of them.

Credentials go to the index's own origin; files that it has elsewhere are asked for without.
"""

import asyncio
import hashlib
from pathlib import Path
from typing import Any, Protocol

from packaging.utils import canonicalize_name

from beeyard.adapters.fetcher.words import Broken, Changed, Place, place_of
from beeyard.adapters.repositories import access
from beeyard.adapters.repositories.web import Limits, WebReader
from beeyard.adapters.wheels.about import About, Beyond, End, about
from beeyard.adapters.wheels.listing import Listing, Wheel, listing, names, page
from beeyard.domain.errors import Unavailable, Untrusted
from beeyard.domain.sources import Credentials, RepositorySpec
from beeyard.ports.repository import Source

LONGEST = 64 * 2**20
"""Bytes of what an index lists; the biggest one there is has 40 MB."""
ENDS = (64 * 1024, 2**20)
"""Bytes of a wheel's end that are looked at: where its files about itself lie, as a rule."""
TRIES = 3
UNREADABLE = (ValueError, RecursionError)
"""What reading a list raises that is none."""


class Index(Protocol):
    """All methods raise Unavailable, Untrusted, Rejected."""

    async def names(self) -> list[str]:
        """Of all distributions."""
        ...

    async def listing(self, name: str) -> Listing:
        """Of one, by its plainest spelling; nothing where it has none."""
        ...

    async def peek(self, wheel: Wheel) -> tuple[About | None, int]:
        """What a wheel says of itself, as far as that is known without all of it, and its size."""
        ...

    def source(self, wheel: Wheel) -> Source:
        """Where it can be read."""
        ...


class FolderIndex:
    """Wheels that lie in one folder. What was hashed is known by its time and size. Implements Index."""

    def __init__(self, spec: RepositorySpec) -> None:
        self._name = spec.name
        self._folder = Path(spec.path)
        self._digests: dict[tuple[str, int, int], str] = {}

    async def names(self) -> list[str]:
        return sorted({name for name, _ in await asyncio.to_thread(self._files)})

    async def listing(self, name: str) -> Listing:
        return listing(name, [one for called, one in await asyncio.to_thread(self._files, name) if called == name])

    async def peek(self, wheel: Wheel) -> tuple[About | None, int]:
        def read() -> About:
            with open(self._folder / wheel.file, "rb") as file:
                return about(file)

        try:
            return await asyncio.to_thread(read), wheel.size
        except OSError as error:
            raise self._gone(error.strerror or "") from None

    def source(self, wheel: Wheel) -> Source:
        return Source(wheel.url, name=wheel.file)

    def _files(self, wanted: str = "") -> list[tuple[str, dict[str, Any]]]:
        """With the name that each begins with; hashed where it is the one that is wanted."""
        try:
            found = sorted(one for one in self._folder.iterdir() if one.name.endswith((".whl", ".tar.gz")))
        except OSError as error:
            raise self._gone(error.strerror or "") from None
        named = [(str(canonicalize_name(one.name.partition("-")[0])), one) for one in found]
        return [(name, self._entry(one) if name == wanted else {}) for name, one in named if wanted in ("", name)]

    def _entry(self, file: Path) -> dict[str, Any]:
        seen = file.stat()
        key = file.name, seen.st_mtime_ns, seen.st_size
        if key not in self._digests:
            with open(file, "rb") as opened:
                self._digests[key] = hashlib.file_digest(opened, "sha256").hexdigest()
        hashes = {"sha256": self._digests[key]}
        return {"filename": file.name, "url": file.absolute().as_uri(), "hashes": hashes, "size": seen.st_size}

    def _gone(self, reason: str) -> Unavailable:
        text, hint = "{repository}: {folder} can't be read: {reason}", "packages that are installed work without it"
        fields = {"repository": self._name, "folder": str(self._folder), "reason": reason}
        return Unavailable("repository_unreachable", text, hint=hint, **fields)


class _Pages(WebReader):
    """JSON if it has that."""

    accept = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


class WebIndex:
    """At a URL. Implements Index."""

    def __init__(self, spec: RepositorySpec) -> None:
        self._spec = spec
        self._base = f"{spec.url}/"

    async def names(self) -> list[str]:
        data = await self._page("")
        try:
            return await asyncio.to_thread(names, data or b"")
        except UNREADABLE as error:
            raise self._unreadable("its list", error) from None

    async def listing(self, name: str) -> Listing:
        data = await self._page(f"{name}/")
        try:
            return await asyncio.to_thread(page, name, data, f"{self._base}{name}/") if data is not None else Listing()
        except UNREADABLE as error:
            raise self._unreadable(name, error) from None

    async def peek(self, wheel: Wheel) -> tuple[About | None, int]:
        from beeyard.adapters.fetcher.credentials import Credentials as Shown
        from beeyard.adapters.fetcher.web import Web

        source, place = self.source(wheel), place_of(wheel.url, wheel.file)
        shown = await asyncio.to_thread(Shown, source)
        size = wheel.size
        async with Web(wheel.url, shown, place) as web:
            for most in ENDS:
                data, size = await _tried(web, most, place)
                try:
                    return (await asyncio.to_thread(about, End(data, size)) if data else None), size
                except Beyond:
                    continue
        return None, size

    def source(self, wheel: Wheel) -> Source:
        at_home = access.origin(wheel.url) == access.origin(self._base)
        shown = self._spec.credentials if at_home else Credentials()
        headers = access.headers(shown, wheel.url)
        return Source(wheel.url, headers, shown.certificate, shown.key, wheel.file)

    async def _page(self, path: str) -> bytes | None:
        async with _Pages(self._spec.name, self._base, self._spec.credentials, Limits()) as reader:
            return await reader.read(path, LONGEST)

    def _unreadable(self, what: str, error: Exception) -> Untrusted:
        text = "{repository}: what it says of {what} can't be read: {reason}"
        hint = "look at the `url` of the repository: it ends with /simple, as a rule"
        return Untrusted("index_unreadable", text, hint=hint, repository=self._spec.name, what=what, reason=str(error))


async def _tried(web: Any, most: int, place: Place) -> tuple[bytes, int]:
    for left in reversed(range(TRIES)):
        try:
            found: tuple[bytes, int] = await web.end(most)
            return found
        except (Broken, Changed) as error:
            if not left:
                raise place.unavailable(str(error)) from None
            await asyncio.sleep(0.3)
    raise AssertionError("the last try ends it")
