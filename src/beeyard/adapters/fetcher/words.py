"""What is told when a file does not come, and the signals by which the parts of a download speak to each other."""

from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from beeyard.domain.errors import BeeyardError, Limited, Rejected, Unavailable, Untrusted
from beeyard.domain.values import human_duration, human_memory

UNTRUSTED = "download_untrusted"


class Broken(Exception):
    """This try failed and the next one may not; `after`: seconds that the server wants to be left alone."""

    def __init__(self, seen: str, after: float = 0.0) -> None:
        super().__init__(seen)
        self.after = after


class Changed(Exception):
    """What came so far is of no use: the server has another file now, or `ranges` are beyond it."""

    def __init__(self, seen: str, *, ranges: bool) -> None:
        super().__init__(seen)
        self.ranges = ranges


class Place(NamedTuple):
    """The file and where it comes from, as they are shown: no path, no query, no password."""

    file: str
    host: str

    def refused(self, seen: str, hint: str, code: str = "download_refused") -> Rejected:
        text = "{host} does not give {file}: {seen}"
        return Rejected(code, text, hint=hint, host=self.host, file=self.file, seen=seen)

    def untrusted(self, seen: str) -> Untrusted:
        return Untrusted(
            UNTRUSTED,
            "{file} from {host} is not what was promised: {seen}",
            hint="Nothing of it was kept. Try again; if it stays so, tell whoever publishes there.",
            host=self.host,
            file=self.file,
            seen=seen,
        )

    def unavailable(self, seen: str) -> Unavailable:
        return Unavailable(
            "download_failed",
            "{file} can't be had from {host} now: {seen}",
            hint="Try again later: what came so far is kept, and gone on with.",
            host=self.host,
            file=self.file,
            seen=seen,
        )

    def limited(self, after: float) -> Limited:
        return Limited(
            "download_limited",
            "{host} wants to be asked for {file} again in {after}, not now",
            hint="Try again then: what came so far is kept, and gone on with.",
            retry_after=after,
            host=self.host,
            file=self.file,
            after=human_duration(after),
        )

    def uncertified(self, host: str, seen: str) -> Untrusted:
        return Untrusted(
            "download_uncertified",
            "{file} was not asked for: {host} can't prove who it is ({seen})",
            hint="If its certificate is one of your own, add the authority to those that this system trusts.",
            host=host,
            file=self.file,
            seen=seen,
        )

    def no_room(self, folder: str, need: int, free: int | None) -> Rejected:
        free_text = "the disk is full" if free is None else f"{human_memory(free)} are free"
        return Rejected(
            "download_no_room",
            "there is no room for {file}: it takes {need} in {folder}, and {free}",
            hint="Make room there: `beeyard package gc` removes what nobody needs.",
            file=self.file,
            need=human_memory(need),
            folder=folder,
            free=free_text,
        )

    def unwritable(self, folder: str, error: OSError) -> Unavailable:
        return Unavailable(
            "download_unwritable",
            "{file} can't be written into {folder}: {reason}",
            hint="See to it that the master's user can write there.",
            file=self.file,
            folder=folder,
            reason=error.strerror or str(error),
        )


def place_of(url: str, name: str = "") -> Place:
    """Of a URL or a path, however odd; `name`: what people know the file by."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return Place(name or "the file", "a URL that is none")
    file = name or unquote(parts.path).rstrip("/").rpartition("/")[2]
    return Place(file or "the file", host or "this host")


def worst(errors: tuple[BaseException, ...]) -> BaseException:
    """The one of several that decides what happens next."""
    for kind in (Untrusted, BeeyardError, OSError, Changed, Broken):
        for error in errors:
            if isinstance(error, kind):
                return error
    return errors[0]
