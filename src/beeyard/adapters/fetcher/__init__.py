"""Downloads into a folder: `part` knows the files there, `transfer` the tries, `web` and `local` where bytes come from.

What is there is believed only as far as its digest goes. A part that was put together from several answers, and turns
out wrong, is brought once more from nothing before anybody is blamed: servers change files, and disks lose bytes.
"""

import asyncio
import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from beeyard.adapters.fetcher.limits import LIMITS
from beeyard.adapters.fetcher.limits import Limits as Limits
from beeyard.adapters.fetcher.local import copy, path_of
from beeyard.adapters.fetcher.part import Part, hold, matches, throw_away
from beeyard.adapters.fetcher.settled import settled
from beeyard.adapters.fetcher.words import UNTRUSTED, Place, place_of
from beeyard.domain.errors import Untrusted
from beeyard.ports.fetcher import Tell
from beeyard.ports.repository import Source

KEPT = 7 * 86400.0
"""Seconds that a part is kept for the next try."""
LOOK = 0.1
"""Seconds between two looks at whether another process is done with the same file."""


class FolderFetcher:
    """Implements ports.fetcher.Fetcher."""

    def __init__(self, folder: Path, limits: Limits = LIMITS) -> None:
        """`folder` is made when it is needed."""
        self._folder = folder
        self._limits = limits

    async def fetch(self, source: Source, size: int, sha256: str, tell: Tell) -> str:
        whole, place = self._folder / sha256, place_of(source.url, source.name)
        with self._written(place, size):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = await self._held(sha256)
            try:
                if await settled(matches, whole, size, sha256):
                    throw_away(self._part(sha256))
                else:
                    part = Part(self._part(sha256), fd, size, sha256, place)
                    try:
                        await self._complete(part, source, whole, place, tell)
                    finally:
                        await settled(part.save)
            finally:
                os.close(fd)
        tell(size)
        return str(whole)

    def drop(self, sha256: str) -> None:
        """What another one is just bringing stays."""
        part = self._part(sha256)
        if self._folder.is_dir() and (fd := hold(part)) is not None:
            throw_away(part)
            (self._folder / sha256).unlink(missing_ok=True)
            os.close(fd)

    def sweep(self) -> None:
        """Throw away parts that nobody went on with for a week."""
        before = time.time() - KEPT
        for path in self._folder.glob("*.part"):
            try:
                if path.stat().st_mtime < before and (fd := hold(path)) is not None:
                    throw_away(path)
                    os.close(fd)
            except FileNotFoundError:
                continue

    async def _held(self, sha256: str) -> int:
        """The descriptor of the part, once nobody else has it."""
        while True:
            if (fd := hold(self._part(sha256))) is not None:
                return fd
            await asyncio.sleep(LOOK)

    async def _complete(self, part: Part, source: Source, whole: Path, place: Place, tell: Tell) -> None:
        for again in (True, False):
            try:
                await self._bring(part, source, place, tell)
            except Untrusted as error:
                if error.code == UNTRUSTED:
                    part.discard()
                raise
            if await settled(part.finish, whole):
                return
            if part.answers < 2 or not again:
                break
            part.restart()
        part.discard()
        raise place.untrusted("its SHA-256 is another one")

    async def _bring(self, part: Part, source: Source, place: Place, tell: Tell) -> None:
        if (path := path_of(source.url)) is not None:
            await copy(part, path, source, place, tell)
            return
        # aiohttp takes 100 ms to load.
        from beeyard.adapters.fetcher.credentials import Credentials
        from beeyard.adapters.fetcher.transfer import Transfer
        from beeyard.adapters.fetcher.web import Web

        _check(source.url, place)
        try:
            credentials = await settled(Credentials, source)
        except OSError as error:
            seen = f"its client certificate can't be used ({error.strerror or error})"
            raise place.refused(seen, "Name a certificate and its key that the master's user can read.") from None
        async with Web(source.url, credentials, place) as web:
            limits = self._limits._replace(tries=1) if source.spare else self._limits
            await Transfer(part, web, source.url, place, limits, tell).run()

    def _part(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.part"

    @contextmanager
    def _written(self, place: Place, size: int) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise place.no_room(str(self._folder), size, None) from error
            raise place.unwritable(str(self._folder), error) from error


def _check(url: str, place: Place) -> None:
    """Raises Rejected when nobody could be asked there."""
    from yarl import URL

    try:
        parsed = URL(url)
        if parsed.scheme in ("http", "https") and parsed.host and parsed.port:
            return
    except ValueError:
        pass
    raise place.refused("it is no URL of http, https or file", "Look at the URL of this repository.")
