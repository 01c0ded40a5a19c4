"""What an index says of one distribution: its files, as the simple API has them in JSON or in HTML.

Only wheels with a SHA-256 count. That a version has nothing but sources is kept, so that it can be said.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

from msgspec import Struct
from packaging.tags import Tag
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

LONGEST_NAME = 255
"""Characters of a file's name: what a disk takes."""
MOST_TAGS = 1000
"""What one wheel may be for; a few letters of its name can say so much more that nobody could hold it."""
DIGEST = re.compile(r"[0-9a-f]{64}")
_LINUX = re.compile(r"(?:many|musl)?linux(?:_\d+_\d+|\d*)_(\w+)")
_MAC = re.compile(r"macosx_\d+_\d+_(\w+)")


class Wheel(Struct, frozen=True):
    """One file, named as the distribution is in its plainest spelling. `size`: 0 where nobody told; `requires`: which
    Pythons, where that was told; `yanked`: why it is not to be taken any more."""

    name: str
    version: str
    file: str
    url: str
    sha256: str
    size: int = 0
    requires: str = ""
    yanked: str = ""

    @property
    def tags(self) -> frozenset[Tag]:
        return parse_wheel_filename(self.file)[3]

    @property
    def platform(self) -> str:
        """Of the hosts that it runs on, as packages have it."""
        return sorted(_platform(tag.platform) for tag in self.tags)[0]


class Listing(Struct, frozen=True):
    """All wheels of one distribution, and the versions that have `sources`."""

    wheels: tuple[Wheel, ...] = ()
    sources: frozenset[str] = frozenset()


def listing(name: str, found: Iterable[Mapping[str, Any]]) -> Listing:
    """From entries as the JSON form has them. What is called otherwise than its page, or as no file, is passed over."""
    wheels, sources = [], set()
    for one in found:
        file, digest = str(one.get("filename", "")), _digest(one)
        if len(file) > LONGEST_NAME or _tags(file) > MOST_TAGS:
            continue
        try:
            if not file.endswith(".whl"):
                called, version = parse_sdist_filename(file)
                sources |= {str(version)} if called == name else set()
                continue
            called, version, _, _ = parse_wheel_filename(file)
        except (InvalidSdistFilename, InvalidWheelFilename):
            continue
        if called == name and DIGEST.fullmatch(digest):
            yanked = one.get("yanked") or ""
            why = "" if not yanked else yanked if isinstance(yanked, str) else "its maker took it back"
            size = one.get("size")
            wheels.append(
                Wheel(
                    called,
                    str(version),
                    file,
                    str(one.get("url", "")),
                    digest,
                    size if isinstance(size, int) and size > 0 else 0,
                    str(one.get("requires-python") or ""),
                    why,
                )
            )
    return Listing(tuple(wheels), frozenset(sources))


def _digest(entry: Mapping[str, Any]) -> str:
    hashes = entry.get("hashes")
    return str(hashes.get("sha256", "")) if isinstance(hashes, dict) else ""


def _tags(file: str) -> int:
    """How many the name of a wheel stands for: all that its three last parts say, with each other."""
    return math.prod(part.count(".") + 1 for part in file.removesuffix(".whl").split("-")[-3:])


def page(name: str, data: bytes, url: str) -> Listing:
    """What an index answered at this URL. Raises ValueError, RecursionError."""
    text = data.decode()
    entries = _json(text).get("files") if text.lstrip().startswith("{") else _anchors(text)
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise ValueError("it has no list of files")
    return listing(name, [{**one, "url": urljoin(url, str(one.get("url", "")))} for one in entries])


def names(data: bytes) -> list[str]:
    """Of all distributions, in their plainest spelling. Raises ValueError, RecursionError."""
    text = data.decode()
    if text.lstrip().startswith("{"):
        found = [str(one.get("name", "")) for one in _json(text).get("projects") or [] if isinstance(one, dict)]
    else:
        found = [one["filename"] for one in _anchors(text)]
    return sorted({str(canonicalize_name(one)) for one in found if one})


def _json(text: str) -> dict[str, Any]:
    found = json.loads(text)
    assert isinstance(found, dict), "it begins as one"
    return found


def _anchors(text: str) -> list[dict[str, Any]]:
    reader = _Anchors()
    reader.feed(text)
    reader.close()
    return reader.found


class _Anchors(HTMLParser):
    """Each link, as the JSON form would have it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, Any]] = []
        self._within = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "a":
            return
        said = dict(attrs)
        url, fragment = urldefrag(said.get("href") or "")
        kind, _, digest = fragment.partition("=")
        yanked = (said["data-yanked"] or True) if "data-yanked" in said else False
        self._within = True
        self.found.append(
            {
                "filename": "",
                "url": url,
                "hashes": {kind: digest},
                "requires-python": said.get("data-requires-python"),
                "yanked": yanked,
            }
        )

    def handle_data(self, data: str) -> None:
        if self._within and len(self.found[-1]["filename"]) <= LONGEST_NAME:  # It comes in any number of pieces.
            self.found[-1]["filename"] += data.strip()

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._within:
            self._within = False
            last = self.found[-1]
            last["filename"] = last["filename"] or unquote(last["url"]).rstrip("/").rpartition("/")[2]


def _platform(tag: str) -> str:
    if tag == "any":
        return "any"
    if found := _LINUX.fullmatch(tag):
        return f"linux-{found[1]}"
    if found := _MAC.fullmatch(tag):
        return f"darwin-{found[1]}"
    system, _, machine = tag.partition("_")
    return f"{re.sub('[^a-z0-9]', '', system) or 'other'}-{machine or 'any'}"
