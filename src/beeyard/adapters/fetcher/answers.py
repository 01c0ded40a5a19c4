"""What a server's answer to a request for bytes means, by its status and headers alone. Asks nobody."""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from yarl import URL

from beeyard.adapters.fetcher.ranges import Span
from beeyard.adapters.fetcher.words import Broken, Changed, Place
from beeyard.ports.fetcher import MISSING

REDIRECTS = (301, 302, 303, 307, 308)
FINAL = "Name the URL where the files really are."
_AGAIN = (408, 425, 429)
_SPAN = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_HINTS = {
    401: "Name the password or token of this repository, or put it into the netrc file.",
    403: "Ask whoever runs it for the right to read this.",
    404: "Try again; if it stays so, it was published without this file.",
    407: "Put the name and password of the proxy into its URL in the environment.",
    410: "Try again: it was removed there, and what the repository offers is read anew.",
}


class Coming(NamedTuple):
    """The bytes that the body of an answer is, and whether it is just a part."""

    span: Span
    partial: bool


def coming(status: int, headers: Mapping[str, str], asked: Span | None, size: int, place: Place, now: float) -> Coming:
    """What comes after these headers; `asked` None: all of it. `now`: wall-clock seconds.

    Raises:
        Untrusted, Rejected: it is another file, or none.
        Broken, Changed: ask again.
    """
    if status == 206:
        return _part(headers, asked, size, place)
    if status == 200:
        _one_size(headers.get("Content-Length", ""), headers, size, place)
        return Coming((0, size), False)
    if status == 416 and asked is not None:
        total = headers.get("Content-Range", "").removeprefix("bytes */")
        if total.isdecimal() and int(total) != size:
            raise place.untrusted(f"it has {total} bytes there, and {size} were promised")
        raise Changed("it has no such range", ranges=False)
    if status in _AGAIN or status >= 500:
        raise Broken(f"it answered {status}", after=_after(headers.get("Retry-After", ""), now))
    raise refused(status, place)


def redirected(url: URL, location: str, place: Place) -> URL:
    """Where to ask instead. Raises Rejected when that leads anywhere but to http, or from https to http."""
    try:
        target = url.join(URL(location)).with_user(None)
    except ValueError:
        target = URL()
    if not location or target.scheme not in ("http", "https") or not target.host:
        raise place.refused("it redirects to nothing that is http or https", FINAL)
    if (url.scheme, target.scheme) == ("https", "http"):
        raise place.refused("it redirects from https to http, where anybody could read and change it", FINAL)
    return target


def refused(status: int, place: Place) -> Exception:
    """An answer that will be the same next time."""
    hint = _HINTS.get(status, "Look at the URL of this repository: what answers there does not serve files.")
    code = MISSING if status in (404, 410) else "download_refused"
    return place.refused(f"it answered {status}", hint, code)


def _part(headers: Mapping[str, str], asked: Span | None, size: int, place: Place) -> Coming:
    found = _SPAN.fullmatch(headers.get("Content-Range", ""))
    if found and found[3] != "*":
        _one_size(found[3], headers, size, place)
    if asked is None or not found or int(found[1]) != asked[0] or not asked[0] <= int(found[2]) < asked[1]:
        raise Changed("it sent another range than was asked for", ranges=False)
    return Coming((asked[0], int(found[2]) + 1), True)


def _one_size(told: str, headers: Mapping[str, str], size: int, place: Place) -> None:
    """Raises when the server says that the file is not of this size. What is stored packed is taken as it is stored."""
    if told == str(size):
        return
    encoding = headers.get("Content-Encoding", "identity").lower()
    if encoding != "identity":
        hint = "Tell it to serve the files as they are: it packs them, though it was asked not to."
        raise place.refused(f"it sends it packed as {encoding[:20]}", hint)
    if told.isdecimal():
        raise place.untrusted(f"it has {told} bytes there, and {size} were promised")


def _after(text: str, now: float) -> float:
    """Seconds from now, of a Retry-After."""
    if text.isdecimal() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except ValueError:
        return 0.0
